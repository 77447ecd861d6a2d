import asyncio

import pytest

from app.cli.roles.api_server import impatient

SOON = 0.01


class Transport(asyncio.Transport):
    """Remembers that it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = asyncio.Event()

    def abort(self) -> None:
        """Do so."""
        self.aborted.set()


class Connection(asyncio.Protocol):
    """What the server's own protocol has."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport


async def is_cut_off(transport: Transport) -> None:
    async with asyncio.timeout(5):
        await transport.aborted.wait()


async def test_a_connection_whose_client_leaves_everything_unread_is_aborted() -> None:
    transport = Transport()
    impatient(Connection, SOON)(transport).pause_writing()
    await is_cut_off(transport)


@pytest.mark.parametrize("end", ["resume_writing", "connection_lost"])
async def test_a_connection_whose_client_reads_on_or_leaves_is_not(end: str) -> None:
    slow, deaf = Transport(), Transport()
    made = impatient(Connection, SOON)
    reader, other = made(slow), made(deaf)
    reader.pause_writing()
    other.pause_writing()
    reader.resume_writing() if end == "resume_writing" else reader.connection_lost(None)
    await is_cut_off(deaf)
    assert not slow.aborted.is_set()
