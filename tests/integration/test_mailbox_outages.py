"""Remote control while the broker is away, hangs or dies: no call is longer than its timeout."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack, aclosing

import pytest

from app.cli.processes.child import Child
from bridge.errors import BrokerUnavailable
from bridge.ids import Ids
from bridge.protocol.control import BINDINGS
from bridge.redis import Redis
from bridge.remote.control import TaskControl
from bridge.remote.mailbox import ANSWER_SECONDS, Mailbox
from bridge.settings import BridgeSettings
from tests.integration.pidbox import CHANNEL, as_many
from tests.integration.restarting import kill, restart
from tests.integration.submissions import until

LONG = 30.0


async def test_without_a_broker_every_call_says_so_at_once(own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(own_url, settings) as nowhere, asyncio.timeout(LONG / 2):
        control = TaskControl(Mailbox(nowhere, Ids().new))
        for call in (control.ping(timeout=LONG), control.pool_grow(timeout=LONG, reply=True), control.revoke("a1")):
            with pytest.raises(BrokerUnavailable):
                await call


@pytest.mark.parametrize("listened", [False, True], ids=["before it is sent", "while it waits"])
async def test_a_broker_that_hangs_makes_no_call_longer_than_its_timeout(
    own_url: str, own_server: Child, listened: bool
) -> None:
    settings = BridgeSettings.load(redis_url=own_url, command_timeout=LONG)
    timeout = ANSWER_SECONDS
    async with Redis.open(own_url, settings) as redis, AsyncExitStack() as stack:
        control = TaskControl(Mailbox(redis, Ids().new))
        if listened:
            ear = await stack.enter_async_context(aclosing(redis.listen(CHANNEL)))
            assert (await anext(ear)).begins
        begun = time.monotonic()
        call = asyncio.create_task(control.ping(timeout=timeout))
        if listened:
            await anext(ear)
        own_server.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(BrokerUnavailable):
                await call
            assert timeout <= time.monotonic() - begun < LONG / 2
        finally:
            own_server.send_signal(signal.SIGCONT)


async def test_a_call_whose_broker_dies_meanwhile_says_so(
    own_url: str, own_server: Child, caplog: pytest.LogCaptureFixture
) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with (
        Redis.open(own_url, settings) as redis,
        asyncio.timeout(LONG / 2),
        aclosing(redis.listen(CHANNEL)) as ear,
    ):
        assert (await anext(ear)).begins
        call = asyncio.create_task(TaskControl(Mailbox(redis, Ids().new)).ping(timeout=LONG))
        await until(lambda: as_many(redis, 1))
        await own_server.kill()
        with pytest.raises(BrokerUnavailable):
            await call
    assert "a call of remote control leaves its binding behind" in caplog.text


async def test_a_binding_that_a_call_left_behind_is_taken_out_with_the_next_call(
    own_url: str, own_server: Child
) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(own_url, settings) as redis, asyncio.timeout(LONG / 2):
        control = TaskControl(Mailbox(redis, Ids().new))
        async with aclosing(redis.listen(CHANNEL)) as ear:
            assert (await anext(ear)).begins
            calls = [asyncio.create_task(control.ping(timeout=LONG)) for _ in range(3)]
            await until(lambda: as_many(redis, 3))
            await kill(own_server, redis)
            for call in calls:
                with pytest.raises(BrokerUnavailable):
                    await call
        with pytest.raises(BrokerUnavailable):
            await control.ping(timeout=LONG)
        await restart(own_server)
        assert await redis.execute("SCARD", BINDINGS) == 3

        assert await control.ping(timeout=LONG) == {}
        await redis.execute("PING")
        assert await redis.execute("EXISTS", BINDINGS) == 0
