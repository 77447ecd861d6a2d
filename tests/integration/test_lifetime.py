"""A client lives in one event loop, until it is closed: whoever awaits or calls it elsewhere is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from bridge import TaskClient, chain, connect, group, signature
from bridge.errors import ClientClosed, WrongLoop
from bridge.redis import Redis
from bridge.submit.call import Call
from tests.celery_says import meta
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


@pytest.mark.parametrize("name", ["a result", "an update"])
async def test_nobody_waits_for_work_of_the_client_that_something_else_has_ended(
    client: TaskClient, redis: Redis, name: str
) -> None:
    awaits, waits = AWAITED[name]
    await client.submit("tasks.add", task_id="a1")
    awaiting = asyncio.create_task(awaits(client))
    await until(partial(waits, client, redis))
    for task in asyncio.all_tasks():
        if task.get_name() in ("results", "hub"):
            task.cancel()
    async with asyncio.timeout(DEADLINE):
        for awaited in (awaiting, awaits(client)):
            with pytest.raises(ClientClosed):
                await awaited


CALLED: dict[str, Calls] = {
    **{name: awaits for name, (awaits, _) in AWAITED.items()},
    "submit": lambda client: client.submit("tasks.add"),
    "start": lambda client: client.start(group(TASK, TASK)),
    "submit_many": lambda client: client.submit_many([Call("tasks.add")]),
    "submit_many, atomic": lambda client: client.submit_many([Call("tasks.add")], atomic=True),
    "the feed": lambda client: client.feed.end(),
    "record": lambda client: client.record("a1"),
    "revoke": lambda client: client.control.revoke("a1"),
    "task types": lambda client: client.task_types(),
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


async def elsewhere(calls: Calls, client: TaskClient) -> Any:
    """Call a client from another thread, in a loop of its own."""

    async def called() -> Any:
        async with asyncio.timeout(DEADLINE):
            return await calls(client)

    return await asyncio.to_thread(asyncio.run, called())


@pytest.mark.parametrize("calls", CALLED.values(), ids=CALLED)
async def test_a_call_from_another_event_loop_is_told_what_to_do(client: TaskClient, calls: Calls) -> None:
    before = repr(client), repr(client.results)
    with pytest.raises(WrongLoop, match="run_coroutine_threadsafe"):
        await elsewhere(calls, client)
    assert (repr(client), repr(client.results)) == before


async def test_after_calls_from_another_event_loop_the_client_is_as_before(client: TaskClient, redis: Redis) -> None:
    async with serving(Panel(redis, "w1@example")), asyncio.timeout(DEADLINE):
        awaiting = asyncio.create_task(client.result("a1"))
        await until(partial(hears_results, client, redis))
        for calls in CALLED.values():
            with pytest.raises(WrongLoop):
                await elsewhere(calls, client)
        await client.submit("tasks.add", task_id="a1")
        assert (await first(client.follow("a1"))).seq == 1
        assert await client.control.ping(limit=1) == {"w1@example": {"ok": "pong"}}
        key, value = "celery-task-meta-a1", meta("a1", "SUCCESS", 3)
        await redis.transaction(("SET", key, value), ("PUBLISH", key, value))
        assert await awaiting == 3


async def test_another_thread_calls_a_client_in_the_clients_own_loop(client: TaskClient, redis: Redis) -> None:
    loop = asyncio.get_running_loop()

    def submits() -> str:
        return asyncio.run_coroutine_threadsafe(client.submit("tasks.add"), loop).result(DEADLINE).task_id

    await client.record(await asyncio.to_thread(submits))
