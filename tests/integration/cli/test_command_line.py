import asyncio
import os
import signal
import sys
from collections.abc import Mapping

from app.cli.ports import LOOPBACK, free_port
from app.cli.processes.child import Child, Service

GOODBYE = """
import asyncio, sys
from app.cli.interrupts import run_until_interrupted

async def main():
    try:
        print("up", flush=True)
        await asyncio.Event().wait()
    finally:
        print("goodbye", flush=True)

sys.exit(run_until_interrupted(main, interrupted=5))
"""


async def run(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """The exit code and the output of the `petiole` command, which must end by itself."""
    child = Child(Service(name="petiole", argv=(sys.executable, "-m", "app.cli", *arguments), env=env or {}))
    await child.start()
    try:
        async with asyncio.timeout(20):
            await child.death()
    finally:
        await child.kill()
    return child.returncode, "\n".join(child.last_lines)


async def test_a_setting_that_cannot_work_is_told_in_a_sentence_and_not_in_a_traceback() -> None:
    code, output = await run("worker", env={"PETIOLE_WORKER_CONCURRENCY": "many"})
    assert code == 2
    assert output.startswith("petiole: Settings that cannot work: PETIOLE_WORKER_CONCURRENCY")


async def test_an_api_that_does_not_answer_has_an_exit_code_of_its_own() -> None:
    code, output = await run("status", "some-id", "--url", f"http://{LOOPBACK}:{free_port()}")
    assert code == 4
    assert "petiole up" in output


async def test_nothing_is_started_when_a_port_is_taken() -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, LOOPBACK, 0)
    async with taken:
        port = str(taken.sockets[0].getsockname()[1])
        code, output = await run("up", env={"PETIOLE_PORT": port, "PETIOLE_FLOWER_PORT": str(free_port())})
    assert code == 1
    assert f"{LOOPBACK}:{port}: the port is in use" in output
    assert "is ready" not in output


async def test_nothing_is_started_when_the_server_that_was_named_does_not_answer() -> None:
    ports = {"PETIOLE_PORT": str(free_port()), "PETIOLE_FLOWER_PORT": str(free_port())}
    code, output = await run("up", env={**ports, "PETIOLE_REDIS_URL": f"redis://{LOOPBACK}:{free_port()}/0"})
    assert code == 1
    assert "Redis is not available" in output
    assert "is ready" not in output


async def test_ctrl_c_ends_what_runs_the_way_it_wants_to_end() -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    service = Service(name="polite", argv=(sys.executable, "-c", GOODBYE), env={"PYTHONPATH": os.getcwd()})
    child = Child(service, lambda _name, line: lines.put_nowait(line))
    await child.start()
    try:
        async with asyncio.timeout(10):
            assert await lines.get() == "up"
            child.send_signal(signal.SIGINT)
            assert await lines.get() == "goodbye"
            assert await child.wait() == 5
    finally:
        await child.kill()
