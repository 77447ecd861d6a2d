"""Celery's events, as a program that uses the library hears them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.cli.processes.child import Child
from bridge import connect
from bridge.errors import BrokerUnavailable
from bridge.protocol.events import CeleryEvent
from bridge.redis import Redis
from bridge.remote.event_receiver import EventReceiver
from bridge.settings import BridgeSettings
from tests.celery_says import envelope, event, heartbeat, received, started
from tests.integration.submissions import DEADLINE, until

MULTI = "/0.celeryev/task.multi"
HEARTBEAT = {**heartbeat(), "pid": 7, "utcoffset": 0}


async def publish(redis: Redis, told: object, channel: str = MULTI) -> bool:
    """Publish events; whether anybody heard."""
    return bool(await redis.execute("PUBLISH", channel, envelope(told)))


async def hear(events: AsyncIterator[CeleryEvent], redis: Redis, first: object) -> CeleryEvent:
    """Publish `first` until it is heard; what was heard."""
    heard = asyncio.ensure_future(anext(events))
    await until(lambda: publish(redis, first))
    async with asyncio.timeout(DEADLINE):
        return await heard


async def test_whatever_is_said_by_workers_producers_and_tasks_is_heard(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url) as client, aclosing(client.events()) as events, asyncio.timeout(DEADLINE):
        assert (await hear(events, redis, [received("a1"), started("a1")])).type == "task-received"
        await publish(redis, event("task-sent", "a2", name="tasks.add"), "/0.celeryev/task.sent")
        await publish(redis, HEARTBEAT, "/0.celeryev/worker.heartbeat")
        await publish(redis, event("cake-baked", "a3", degrees=180), "/0.celeryev/cake.baked")
        heard = [await anext(events) for _ in range(4)]

    assert [(one.type, one.task_id) for one in heard] == [
        ("task-started", "a1"), ("task-sent", "a2"), ("worker-heartbeat", None), ("cake-baked", "a3")
    ]  # fmt: skip
    assert heard[-1].details == {"degrees": 180}


async def test_what_cannot_be_read_is_passed_over(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    async with aclosing(EventReceiver(redis).events()) as events, asyncio.timeout(DEADLINE):
        assert (await hear(events, redis, started("a1"))).task_id == "a1"
        await redis.execute("PUBLISH", MULTI, b"nothing")
        await publish(redis, [{"type": "task-started"}, ["odd one"], started("a2")])
        assert (await anext(events)).task_id == "a2"
    assert "passed over what is no event: ['odd one']" in caplog.text


async def test_a_reader_that_stops_leaves_no_subscription(redis: Redis) -> None:
    async with aclosing(EventReceiver(redis).events()) as events:
        await hear(events, redis, started("a1"))
    assert await redis.execute("PUBSUB", "NUMPAT") == 0


async def test_without_a_broker_there_is_nothing_to_hear(own_url: str) -> None:
    async with Redis.open(own_url, BridgeSettings.load(redis_url=own_url)) as nowhere:
        with pytest.raises(BrokerUnavailable):
            await anext(EventReceiver(nowhere).events())


async def test_events_go_on_when_the_broker_is_back(own_url: str, own_server: Child) -> None:
    async with (
        Redis.open(own_url, BridgeSettings.load(redis_url=own_url)) as redis,
        aclosing(EventReceiver(redis).events()) as events,
    ):
        assert (await hear(events, redis, started("a1"))).task_id == "a1"
        after = asyncio.ensure_future(anext(events))
        await own_server.kill()
        async with own_server:
            await until(lambda: publish(redis, started("a2")))
            async with asyncio.timeout(DEADLINE):
                assert (await after).task_id == "a2"
