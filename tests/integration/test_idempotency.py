"""Idempotency keys, in accept.lua itself: of submits with one key one is queued."""

import asyncio

import pytest

from bridge import Call, SubmitOptions, TaskClient, TaskHandle, open_client
from bridge.errors import DuplicateTask, IdempotencyKeyReused, QueueSaturated
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.idempotency import Claim
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff
from tests.integration.submissions import identity, submission

KEY = "petiole:idempotency::k1"


async def test_the_same_submit_with_the_same_key_answers_the_first_task_and_queues_nothing(
    client: TaskClient, redis: Redis
) -> None:
    first = await client.submit("tasks.add", [1], {"y": 2}, queue="mail", idempotency_key="k1")
    again = await client.submit("tasks.add", (1,), {"y": 2}, queue="mail", idempotency_key="k1")

    assert (first.replayed, again.replayed) == (False, True)
    assert again.task_id == first.task_id
    assert await redis.execute("LLEN", "mail") == 1
    assert await redis.execute("ZCARD", "petiole:index") == 1


async def test_another_submit_with_the_same_key_is_refused(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", [1], idempotency_key="k1")
    with pytest.raises(IdempotencyKeyReused, match="'k1'"):
        await client.submit("tasks.add", [2], idempotency_key="k1")
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_key_is_remembered_for_a_time(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", idempotency_key="k1")
    assert client.settings.idempotency_ttl - 5 < await redis.execute("TTL", KEY) <= client.settings.idempotency_ttl

    await redis.execute("DEL", KEY)
    assert not (await client.submit("tasks.add", [2], idempotency_key="k1")).replayed


async def test_without_a_key_nothing_is_kept_of_one(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add")
    assert await redis.execute("KEYS", "petiole:idempotency:*") == []


async def test_of_many_at_once_in_several_processes_one_is_queued(settings: BridgeSettings, redis: Redis) -> None:
    async with open_client(settings) as one, open_client(settings) as other:
        submits = [client.submit("tasks.add", [1], idempotency_key="k1") for client in (one, other) * 25]
        handles = await asyncio.gather(*submits)

    assert len({handle.task_id for handle in handles}) == 1
    assert [handle.replayed for handle in handles].count(False) == 1
    assert await redis.execute("LLEN", "celery") == 1


async def test_an_id_of_the_callers_own_does_not_hide_that_it_came_before(client: TaskClient) -> None:
    options: SubmitOptions = {"task_id": "a1", "idempotency_key": "k1"}
    await client.submit("tasks.add", **options)
    assert (await client.submit("tasks.add", **options)).replayed
    with pytest.raises(DuplicateTask):
        await client.submit("tasks.add", task_id="a1")


async def test_what_was_refused_did_not_use_its_key(settings: BridgeSettings, redis: Redis) -> None:
    shallow = settings.model_copy(update={"max_queue_depth": 1})
    async with open_client(shallow) as client:
        await client.submit("tasks.add")
        with pytest.raises(QueueSaturated):
            await client.submit("tasks.add", [1], idempotency_key="k1")
        await redis.execute("DEL", "celery")
        assert not (await client.submit("tasks.add", [2], idempotency_key="k1")).replayed


async def test_a_task_that_is_not_recorded_has_its_key_too(client: TaskClient, redis: Redis) -> None:
    options: SubmitOptions = {"record": False, "idempotency_key": "k1"}
    first, again = [await client.submit("tasks.add", **options) for _ in range(2)]
    assert (again.task_id, again.replayed) == (first.task_id, True)
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_submit_with_a_key_whose_answer_was_lost_is_accepted_once_and_is_no_replay(
    redis: Redis, settings: BridgeSettings
) -> None:
    async with (
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(Clock())) as publisher,
    ):
        claimed = submission("a1")._replace(claim=Claim("", "k1", "f"))
        assert await publisher.publish(claimed) == "a1"
        assert breaking.broken
    assert await redis.execute("LLEN", "celery") == 1


async def test_keys_of_many_are_told_apart_within_one_round_trip(client: TaskClient, redis: Redis) -> None:
    calls = [Call("tasks.add", [at], None, {"idempotency_key": f"k{at % 3}"}) for at in (0, 1, 2, 0, 4, 2)]
    outcomes = await client.submit_many(calls, return_exceptions=True)

    assert [isinstance(one, IdempotencyKeyReused) for one in outcomes] == [False] * 4 + [True, False]
    first, _, third, *again = [one for one in outcomes if isinstance(one, TaskHandle)]
    assert [one.task_id for one in again] == [first.task_id, third.task_id]
    assert [one.replayed for one in (first, third, *again)] == [False, False, True, True]
    assert await redis.execute("LLEN", "celery") == 3


async def test_each_owner_has_keys_of_their_own(client: TaskClient, redis: Redis) -> None:
    clients = [client.as_owner(owner) for owner in ("", "acme", "umbrella")]
    handles = [await one.submit("tasks.add", idempotency_key="k1") for one in clients]
    assert [handle.replayed for handle in handles] == [False] * 3
    assert await redis.execute("LLEN", "celery") == 3
