"""A client that is closed: nobody waits in it for ever, and whoever still calls it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from bridge import TaskClient, chain, connect, group, signature
from bridge.errors import ClientClosed, SomeRefused
from bridge.redis import Redis
from bridge.submit.call import Call
from tests.integration.pidbox import Panel, serving, waiting_reads
from tests.integration.submissions import DEADLINE, until

TASK = signature("tasks.add")
Calls = Callable[[TaskClient], Coroutine[Any, Any, Any]]
Waits = Callable[[TaskClient, Redis], Awaitable[bool]]


async def first(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream)


async def hears_results(_client: TaskClient, redis: Redis) -> bool:
    return bool(await redis.execute("PUBSUB", "CHANNELS", "celery-task-meta-*"))


async def hears_updates(client: TaskClient, redis: Redis) -> bool:
    await redis.execute("PING")
    return "<Hub subscribers=1 " in repr(client)


async def hears_events(_client: TaskClient, redis: Redis) -> bool:
    return bool(await redis.execute("PUBSUB", "NUMPAT") > 1)  # a worker hears its commands


async def hears_replies(_client: TaskClient, redis: Redis) -> bool:
    return bool(await waiting_reads(redis))


AWAITED: dict[str, tuple[Calls, Waits]] = {
    "a result": (lambda client: client.result("a1"), hears_results),
    "a result with a timeout": (lambda client: client.result("a1", timeout=600), hears_results),
    "the result of a workflow": (lambda client: client.run(chain(TASK, group(TASK, TASK)), timeout=600), hears_results),
    "an update": (lambda client: first(client.follow("a1", 1)), hears_updates),
    "an event": (lambda client: first(client.events()), hears_events),
    "replies of workers": (lambda client: client.control.ping(timeout=600), hears_replies),
}


@pytest.mark.parametrize(("awaits", "waits"), AWAITED.values(), ids=AWAITED)
async def test_whoever_awaits_something_as_the_client_is_closed_is_told(
    redis: Redis, shared_url: str, awaits: Calls, waits: Waits
) -> None:
    async with serving(Panel(redis, "w1@example", answer=None)):
        async with connect(shared_url) as client:
            await client.submit("tasks.add", task_id="a1")
            awaiting = asyncio.create_task(awaits(client))
            await until(partial(waits, client, redis))
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ClientClosed, match="open another"):
                await awaiting


async def test_a_follower_is_told_the_updates_that_had_come_before_the_client_was_closed(
    redis: Redis, shared_url: str
) -> None:
    async with connect(shared_url) as client:
        await client.submit("tasks.add", task_id="a1")
        updates = client.follow("a1")
        assert (await anext(updates)).seq == 1
    with pytest.raises(ClientClosed):
        await anext(updates)


CALLED: dict[str, Calls] = {
    **{name: awaits for name, (awaits, _) in AWAITED.items()},
    "submit": lambda client: client.submit("tasks.add"),
    "start": lambda client: client.start(group(TASK, TASK)),
    "submit_many, atomic": lambda client: client.submit_many([Call("tasks.add")], atomic=True),
    "the feed": lambda client: client.feed.end(),
    "record": lambda client: client.record("a1"),
    "revoke": lambda client: client.control.revoke("a1"),
}


@pytest.fixture
async def closed(shared_url: str) -> TaskClient:
    async with connect(shared_url) as client:
        return client


@pytest.mark.parametrize("calls", CALLED.values(), ids=CALLED)
async def test_a_client_that_is_closed_says_so_at_once(closed: TaskClient, calls: Calls) -> None:
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ClientClosed):
            await calls(closed)


async def test_many_that_are_submitted_to_a_client_that_is_closed_are_refused(closed: TaskClient) -> None:
    with pytest.raises(SomeRefused) as refused:
        await closed.submit_many([Call("tasks.add")] * 3)
    assert [type(one) for one in refused.value.outcomes] == [ClientClosed] * 3
