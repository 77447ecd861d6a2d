"""Many tasks in few round trips."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bridge import Call, TaskClient, TaskHandle, connect, group, signature
from bridge.errors import BrokerUnavailable, CallsBrokeOff, DuplicateTask, InvalidMessage, QueueSaturated, SomeRefused
from bridge.protocol.envelope import open_json
from bridge.protocol.events import read_events
from bridge.protocol.state import Status
from bridge.redis import Redis


async def scripts_run(redis: Redis) -> int:
    stats = await redis.execute("INFO", "commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def test_many_tasks_are_queued_in_their_order_a_hundred_or_so_in_a_round_trip(
    client: TaskClient, redis: Redis
) -> None:
    before = await scripts_run(redis)

    handles = await client.submit_many(Call("tasks.add", (n,)) for n in range(1_000))

    assert await scripts_run(redis) - before <= 1_000 / client.settings.submit_batch + 2
    taken = [open_json(message)[0] for message in await redis.execute("RPOP", "celery", 1_000)]
    assert taken == [[n] for n in range(1_000)]
    assert len({handle.task_id for handle in handles}) == 1_000
    assert await handles[-1].status() is Status.SUBMITTED


async def test_calls_are_told_in_any_of_three_ways(client: TaskClient, redis: Redis) -> None:
    mail = signature("tasks.add", (3,)).set(queue="mail", priority=9).stamp(tenant="acme")

    handles = await client.submit_many([Call("tasks.add", (1,)), ("tasks.add", (2,), {}, {"task_id": "a2"}), mail])

    assert handles[1].task_id == "a2"
    assert await redis.execute("LLEN", "celery") == 2
    assert await redis.execute("LLEN", "mail\x06\x169") == 1
    assert (await client.record(handles[2].task_id)).queue == "mail"


async def test_what_is_refused_is_told_apart_from_what_is_queued(client: TaskClient, redis: Redis) -> None:
    await redis.execute("SET", "other", "not a list")
    calls = [
        Call("tasks.add", options={"task_id": "a1"}),
        Call("celery.group"),
        Call("tasks.add", options={"task_id": "a1"}),
        Call("tasks.add", options={"queue": "other"}),
        Call("tasks.add", options={"task_id": "a2"}),
    ]

    with pytest.raises(SomeRefused, match=r"3 of 5 tasks were not accepted\. The first is number 1: /task") as refused:
        await client.submit_many(calls)

    told = refused.value
    assert {at: type(error) for at, error in told.errors.items()} == {
        1: InvalidMessage,
        2: DuplicateTask,
        3: InvalidMessage,
    }
    assert [one.task_id for one in told.outcomes if isinstance(one, TaskHandle)] == ["a1", "a2"]
    assert await redis.execute("LLEN", "celery") == 2


async def test_errors_stand_in_the_place_of_handles_when_they_are_wanted(client: TaskClient) -> None:
    outcomes = await client.submit_many([("tasks.add",), ("celery.group",)], return_exceptions=True)
    assert [type(one) for one in outcomes] == [TaskHandle, InvalidMessage]


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [("oops", ""), (("tasks.add", (), {}, {"quue": "mail"}), "/options/quue"), (group(signature("tasks.add")), "")],
)
@pytest.mark.parametrize("key", [None, "night-run"])
async def test_a_call_that_is_none_is_refused_in_its_place_and_keeps_nothing_back(
    client: TaskClient, redis: Redis, bad: Any, pointer: str, key: str | None
) -> None:
    calls = [("tasks.add", (number,)) for number in range(300)]

    outcomes = await client.submit_many([*calls, bad, *calls], return_exceptions=True, key=key)

    assert [at for at, one in enumerate(outcomes) if not isinstance(one, TaskHandle)] == [300]
    assert isinstance(outcomes[300], InvalidMessage)
    assert outcomes[300].pointer == pointer
    assert await redis.execute("LLEN", "celery") == 600


@pytest.mark.parametrize("return_exceptions", [False, True])
async def test_when_the_calls_break_off_the_handles_of_what_is_queued_are_told(
    client: TaskClient, redis: Redis, *, return_exceptions: bool
) -> None:
    def calls() -> Iterator[Call]:
        yield Call("celery.group")
        yield from (Call("tasks.add", (number,)) for number in range(299))
        raise RuntimeError("the cursor is lost")

    with pytest.raises(SomeRefused) as broken:
        await client.submit_many(calls(), return_exceptions=return_exceptions)

    assert isinstance(broken.value, CallsBrokeOff)
    assert isinstance(broken.value.__cause__, RuntimeError)
    handles = [one for one in broken.value.outcomes if isinstance(one, TaskHandle)]
    assert list(broken.value.errors) == [0]
    assert len(handles) == await redis.execute("LLEN", "celery") == 2 * client.settings.submit_batch - 1
    assert await handles[-1].status() is Status.SUBMITTED


async def test_all_of_a_batch_are_announced_at_once(client: TaskClient, redis: Redis) -> None:
    messages = redis.listen("/0.celeryev/*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await client.submit_many([("tasks.add", (), {}, {"task_id": name}) for name in ("a1", "a2")])
        message = await anext(messages)
    await messages.aclose()

    assert message.channel == "/0.celeryev/task.multi"
    assert [(event["type"], event["uuid"]) for event in read_events(message.data)] == [
        ("task-sent", "a1"),
        ("task-sent", "a2"),
    ]


async def test_a_task_that_was_refused_is_not_announced(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", task_id="a1")
    messages = redis.listen("/0.celeryev/*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await client.submit_many(
            [("tasks.add", (), {}, {"task_id": name}) for name in ("a1", "a2")], return_exceptions=True
        )
        message = await anext(messages)
    await messages.aclose()

    assert [event["uuid"] for event in read_events(message.data)] == ["a2"]


async def test_a_full_queue_takes_what_it_can(client: TaskClient, redis: Redis) -> None:
    limit = client.settings.max_queue_depth
    await redis.execute("EVAL", "for n = 1, ARGV[1] do redis.call('LPUSH', 'celery', n) end", 0, limit - 2)

    outcomes = await client.submit_many([("tasks.add",)] * 4, return_exceptions=True)

    assert [type(one) for one in outcomes] == [TaskHandle] * 2 + [QueueSaturated] * 2
    assert await redis.execute("LLEN", "celery") == limit


async def test_nothing_is_no_call(client: TaskClient) -> None:
    assert await client.submit_many([]) == []


async def test_without_redis_all_are_refused() -> None:
    async with connect("redis://127.0.0.1:1/0") as client:
        with pytest.raises(SomeRefused) as refused:
            await client.submit_many([("tasks.add",)] * 3)
    assert [type(one) for one in refused.value.outcomes] == [BrokerUnavailable] * 3
