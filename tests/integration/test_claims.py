"""Idempotency keys of what is more than one task: claimed for the whole, and by each task for its part."""

import asyncio
from collections.abc import Iterator

import pytest

from bridge import Call, TaskClient
from bridge.errors import BrokerUnavailable, DuplicateTask, IdempotencyKeyReused
from bridge.redis import Redis
from bridge.submit.claims import Claimed
from bridge.submit.idempotency import UNKNOWN

ONE, OTHER = "batch:1:01", "batch:2:02"
KEY = "petiole:idempotency::k1"


async def test_the_first_claim_of_a_key_is_kept_with_its_note_for_a_time(client: TaskClient, redis: Redis) -> None:
    assert await client.claims.claim("k1", ONE, "7-0") == Claimed("k1", ONE, "7-0", before=False)
    assert await client.claims.claim("k1", ONE, "8-0") == Claimed("k1", ONE, "7-0", before=True)
    ttl = client.settings.idempotency_ttl
    assert ttl - 5 < await redis.execute("TTL", KEY) <= ttl
    with pytest.raises(IdempotencyKeyReused, match="'k1'"):
        await client.claims.claim("k1", OTHER, "8-0")


async def test_of_many_claims_at_once_one_is_the_first(client: TaskClient) -> None:
    claims = [client.claims.claim("k1", one, str(at)) for at, one in enumerate([ONE, OTHER] * 20)]
    told = await asyncio.gather(*claims, return_exceptions=True)
    claimed = [one for one in told if isinstance(one, Claimed)]
    assert [one.before for one in claimed].count(False) == 1
    assert len({(one.digest, one.note) for one in claimed}) == 1
    assert len(claimed) == 20


async def test_a_key_is_one_for_single_tasks_and_for_many(client: TaskClient) -> None:
    await client.claims.claim("k1", ONE, "7-0")
    with pytest.raises(IdempotencyKeyReused):
        await client.submit("tasks.add", idempotency_key="k1")
    await client.submit("tasks.add", idempotency_key="k2")
    for digest in (ONE, UNKNOWN):
        with pytest.raises(IdempotencyKeyReused):
            await client.claims.claim("k2", digest, "7-0")
    assert not (await client.as_owner("ann").claims.claim("k2", ONE, "7-0")).before


async def test_a_digest_is_kept_once_it_is_known_and_for_no_longer(client: TaskClient, redis: Redis) -> None:
    claimed = await client.claims.claim("k1", UNKNOWN, "7-0")
    await redis.execute("EXPIRE", KEY, 100)
    await client.claims.settle(claimed, ONE, ["an id"])
    assert 95 < await redis.execute("TTL", KEY) <= 100
    assert (await client.claims.claim("k1", UNKNOWN, "8-0")).digest == ONE
    await redis.execute("DEL", KEY)
    await client.claims.settle(claimed, ONE, ["an id"])
    assert await redis.execute("EXISTS", KEY) == 0


@pytest.mark.parametrize(
    ("outcomes", "stays"),
    [([], 0), ([DuplicateTask("a")], 0), ([DuplicateTask("a"), BrokerUnavailable("gone")], 1), (["an id"], 1)],
)
async def test_a_key_with_which_nothing_was_queued_is_free_again(
    client: TaskClient, redis: Redis, outcomes: list[object], stays: int
) -> None:
    claimed = await client.claims.claim("k1", ONE, "7-0")
    await client.claims.settle(claimed._replace(before=True), ONE, outcomes)
    assert await redis.execute("EXISTS", KEY) == 1
    await client.claims.settle(claimed, ONE, outcomes)
    assert await redis.execute("EXISTS", KEY) == stays


def calls(*values: int) -> Iterator[Call]:
    return (Call("tasks.add", [value]) for value in values)


@pytest.mark.parametrize("atomic", [False, True])
async def test_many_with_a_key_queue_what_is_missing(client: TaskClient, redis: Redis, atomic: bool) -> None:
    first = await client.submit_many(calls(1, 2), key="k1", atomic=atomic)
    again = await client.submit_many(calls(1, 2, 3), key="k1", atomic=atomic)
    assert [one.task_id for one in again[:2]] == [one.task_id for one in first]
    assert [one.replayed for one in again] == [True, True, False]
    assert await redis.execute("LLEN", "celery") == 3
    assert sorted(await redis.execute("KEYS", f"{KEY}*")) == [f"{KEY} {place}".encode() for place in range(3)]


@pytest.mark.parametrize("atomic", [False, True])
async def test_after_a_task_that_is_another_than_before_no_more_are_taken(
    client: TaskClient, redis: Redis, atomic: bool
) -> None:
    await client.submit_many(calls(*range(5)), key="k1")
    rest = calls(0, 9, *range(2_000))
    with pytest.raises(IdempotencyKeyReused, match="'k1' came"):
        await client.submit_many(rest, key="k1", return_exceptions=True, atomic=atomic)
    together = 0 if atomic else client.settings.submit_batch - 5  # those of the same round trip
    assert await redis.execute("LLEN", "celery") == 5 + together
    assert atomic or len(list(rest)) > 1_000
