"""Processes that are asked to stop do so, whatever else is away, and say that all is well."""

import asyncio
import signal

import pytest

from app.cli.ports import LOOPBACK, free_port
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
SOON = 5.0
"""Seconds within which a watcher ends."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_an_api_that_is_asked_to_stop_says_that_it_did_as_it_was_told(
    shared: Installation, number: signal.Signals, code: int
) -> None:
    async with shared.api() as api:
        api.child.send_signal(number)
        assert await api.child.wait() == code


@pytest.mark.parametrize("role", ["watcher", "worker", "flower"])
async def test_every_other_role_that_is_asked_to_stop_does_too(own: Installation, role: str) -> None:
    services = {
        "watcher": own.watcher(),
        "worker": own.worker(),
        "flower": own.role(
            "flower", own.prints("flower", "Visit me"), name="flower", PETIOLE_FLOWER_PORT=str(free_port())
        ),
    }
    async with own.running(services[role]) as (child,):
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0


@pytest.mark.parametrize("away", ["killed", "silent"])
async def test_a_watcher_ends_soon_and_well_also_while_redis_is_away(own: Installation, away: str) -> None:
    async with own.running(own.watcher()) as (watcher,):
        if away == "killed":
            await own.server.kill()
            await until(own.prints(watcher.name, "Redis is not available"))
        else:
            own.server.send_signal(signal.SIGSTOP)
        watcher.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SOON):
            assert await watcher.wait() == 0
        own.server.send_signal(signal.SIGCONT)


async def test_a_watcher_that_waits_for_redis_to_begin_with_ends_soon(own: Installation) -> None:
    asked = asyncio.Event()

    def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async def is_asked() -> bool:
        return asked.is_set()

    await own.server.kill()
    nobody = await asyncio.start_server(hang_up, LOOPBACK, own.port)
    async with nobody, own.running(own.role("watcher", is_asked)) as (watcher,):
        watcher.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SOON):
            assert await watcher.wait() == 0
