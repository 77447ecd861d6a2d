"""Many tasks of which all are queued, or none."""

import asyncio

import pytest

from bridge import Call, TaskClient, open_client
from bridge.errors import (
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    QueueSaturated,
    SomeRefused,
    UnreadableBytes,
)
from bridge.protocol.envelope import open_json
from bridge.protocol.events import read_events
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import TOLD_AT_ONCE
from bridge.submit.bulk import MOST_TOGETHER
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff
from tests.integration.submissions import identity, submission

GOOD = Call("tasks.add", [1])


def named(task_id: str, queue: str = "celery") -> Call:
    return Call("tasks.add", options={"task_id": task_id, "queue": queue})


async def everything(redis: Redis) -> set[bytes]:
    found: list[bytes] = await redis.execute("KEYS", "*")
    return set(found)


async def test_ten_thousand_go_in_one_round_trip_in_their_order(client: TaskClient, redis: Redis) -> None:
    handles = await client.submit_many((Call("tasks.add", [at]) for at in range(MOST_TOGETHER)), atomic=True)

    assert len({handle.task_id for handle in handles}) == MOST_TOGETHER
    taken = await redis.execute("RPOP", "celery", MOST_TOGETHER)
    assert [open_json(message)[0] for message in taken] == [[at] for at in range(MOST_TOGETHER)]
    for key in ("petiole:open", "petiole:index"):
        assert await redis.execute("ZCARD", key) == MOST_TOGETHER


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Call("celery.group"), InvalidMessage),
        (named("there"), DuplicateTask),
        (named("a1"), DuplicateTask),
        (named("b", queue="other"), InvalidMessage),
        (named("broken"), UnreadableBytes),
        (Call("tasks.add", [2], None, {"idempotency_key": "k1"}), IdempotencyKeyReused),
        (InvalidMessage("/x", "could not even be read"), InvalidMessage),
    ],
    ids=["no message", "known id", "id twice", "queue is no list", "broken key", "key reused", "not read"],
)
async def test_one_that_is_refused_keeps_all_others_back(
    client: TaskClient, redis: Redis, bad: Call, error: type[Exception]
) -> None:
    await redis.execute("SET", "other", "not a list")
    await redis.execute("SET", "petiole:history:broken", "not a list")
    await client.submit("tasks.add", task_id="there", idempotency_key="k1")
    before = await everything(redis)

    with pytest.raises(SomeRefused) as refused:
        await client.submit_many([named("a1"), bad, GOOD], atomic=True)

    assert [type(one) for one in refused.value.outcomes] == [HeldBack, error, HeldBack]
    assert await everything(redis) == before
    assert await redis.execute("LLEN", "celery") == 1
    assert await redis.execute("XLEN", "petiole:live") == 1


async def test_a_queue_that_has_not_room_for_all_gets_none(settings: BridgeSettings, redis: Redis) -> None:
    async with open_client(settings.model_copy(update={"max_queue_depth": 3})) as client:
        with pytest.raises(SomeRefused) as refused:
            await client.submit_many([GOOD] * 4, atomic=True)
        assert [type(one) for one in refused.value.outcomes] == [HeldBack] * 3 + [QueueSaturated]
        assert await everything(redis) == set()
        await client.submit_many([GOOD] * 3, atomic=True)
    assert await redis.execute("LLEN", "celery") == 3


async def test_more_than_one_round_trip_takes_are_refused_before_it(client: TaskClient, redis: Redis) -> None:
    with pytest.raises(InvalidMessage, match="more than 10000 tasks"):
        await client.submit_many((GOOD for _ in range(MOST_TOGETHER + 1)), atomic=True)
    assert await everything(redis) == set()


async def test_a_batch_that_is_sent_again_by_its_keys_is_accepted_as_it_was(client: TaskClient, redis: Redis) -> None:
    calls = [Call("tasks.add", [at], None, {"idempotency_key": f"k {at}"}) for at in range(3)]
    first = await client.submit_many(calls, atomic=True)
    again = await client.submit_many([*calls, GOOD], atomic=True)

    assert [handle.task_id for handle in again[:3]] == [handle.task_id for handle in first]
    assert [handle.replayed for handle in again] == [True] * 3 + [False]
    assert await redis.execute("LLEN", "celery") == 4


async def test_a_batch_whose_answer_was_lost_is_accepted_once(redis: Redis, settings: BridgeSettings) -> None:
    async with (
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(Clock())) as publisher,
    ):
        entries = [publisher.ready(submission(name)) for name in ("a1", "a2")]
        assert await publisher.accept(entries, together=True) == ["a1", "a2"]
        assert breaking.broken
    assert await redis.execute("LLEN", "celery") == 2


async def test_all_of_them_are_announced_some_at_once(client: TaskClient, redis: Redis) -> None:
    messages = redis.listen("/0.celeryev/*")
    told: list[int] = []
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await client.submit_many([GOOD] * 300, atomic=True)
        while sum(told) < 300:
            told.append(len(list(read_events((await anext(messages)).data))))
    await messages.aclose()
    assert told == [TOLD_AT_ONCE] * (300 // TOLD_AT_ONCE) + [300 % TOLD_AT_ONCE]


async def test_the_records_of_a_batch_say_so(client: TaskClient) -> None:
    for atomic in (False, True):
        (handle,) = await client.submit_many([GOOD], batch="b1", atomic=atomic)
        assert (await client.record(handle.task_id)).batch_id == "b1"
    assert (await client.record((await client.submit("tasks.add")).task_id)).batch_id is None
