import asyncio
import signal
from pathlib import Path

import pytest

from app.cli.errors import ServerFilesInUse
from app.cli.ports import LOOPBACK, free_port, is_free
from app.cli.processes.child import Child
from app.cli.stack.embedded import answers_ping, embedded_server, find_binary, server_directory, sole_user_of


async def told(port: int, *command: bytes) -> bytes:
    """The first line of a server's answer to an inline command."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b" ".join(command) + b"\r\n")
        answer = await reader.readline()
        answer = await reader.readline() if answer.startswith(b"$") else answer
        writer.close()
        await writer.wait_closed()
        return answer.strip()


async def test_a_server_that_was_stopped_goes_on_with_its_data_on_the_same_port(tmp_path: Path) -> None:
    port = free_port()
    server = Child(embedded_server(find_binary(), port, tmp_path))
    async with server:
        await told(port, b"SET", b"key", b"kept")
    assert server.returncode == 0
    assert is_free(LOOPBACK, port)
    async with server:
        assert await told(port, b"GET", b"key") == b"kept"


async def test_a_server_that_was_killed_goes_on_with_what_had_reached_its_file(tmp_path: Path) -> None:
    port = free_port()
    server = Child(embedded_server(find_binary(), port, tmp_path))
    async with server:
        await told(port, b"SET", b"key", b"kept")
        assert await told(port, b"WAITAOF", b"1", b"0", b"5000") == b"*2"
        assert await server.kill() == -signal.SIGKILL
        await server.start()
        await server.ready()
        assert await told(port, b"GET", b"key") == b"kept"


async def test_a_port_where_nobody_listens_does_not_answer_ping() -> None:
    assert not await answers_ping(free_port())()


def test_each_server_and_major_version_has_its_own_files(tmp_path: Path) -> None:
    binary = find_binary()
    assert server_directory(tmp_path, binary).name == f"{binary.name}-{binary.major}"


def test_two_servers_never_share_their_files(tmp_path: Path) -> None:
    with sole_user_of(tmp_path), pytest.raises(ServerFilesInUse, match="petiole up"), sole_user_of(tmp_path):
        raise AssertionError("both got in")
