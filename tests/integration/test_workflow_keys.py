"""Idempotency keys of workflows: of those with one key and one meaning one is queued, and all are told of that one."""

import asyncio
from dataclasses import replace

import pytest

from bridge import Canvas, TaskClient, chain, chord, group, open_client, signature
from bridge.errors import DuplicateTask, IdempotencyKeyReused, QueueSaturated
from bridge.launcher import Launcher
from bridge.parts import open_parts
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff
from tests.integration.submissions import identity

A, B, C, D = (signature(name) for name in "abcd")
WORKFLOWS: list[Canvas] = [A, chain(A, B), group(A, B), chain(A, group(B, C), D), chord([A, chain(B, C)], D)]


async def everything(redis: Redis) -> dict[bytes, object]:
    """All that is queued and recorded; the keys of chords are not, which live as long as a result."""
    keys = [key for key in await redis.execute("KEYS", "*") if not key.startswith(b"celery-taskset-meta-")]
    return {key: await redis.execute("DUMP", key) for key in keys}


@pytest.mark.parametrize("canvas", WORKFLOWS)
async def test_the_same_workflow_with_the_same_key_is_told_of_the_first_and_queues_nothing(
    client: TaskClient, redis: Redis, canvas: Canvas
) -> None:
    first = await client.start_batch(canvas, "w1", key="k1")
    before = await everything(redis)
    again = await client.start_batch(canvas, "w2", key="k1")
    assert not first.replayed
    assert again == first._replace(replayed=True)
    assert await everything(redis) == before


async def test_it_is_told_also_when_its_tasks_have_ended_and_their_records_have_gone(
    client: TaskClient, redis: Redis
) -> None:
    first = await client.start_batch(chord([A, B], C), "w1", key="k1")
    await redis.execute("DEL", "celery", *await redis.execute("KEYS", "petiole:task:*"))
    again = await client.start_batch(chord([A, B], C), "w2", key="k1")
    assert again == first._replace(replayed=True)
    assert await redis.execute("EXISTS", "celery") == 0
    assert await redis.execute("KEYS", "petiole:task:*") == []


async def test_another_workflow_with_the_same_key_is_refused_and_changes_nothing(
    client: TaskClient, redis: Redis
) -> None:
    await client.start_batch(chain(A, B), "w1", key="k1")
    await client.submit("a", idempotency_key="k2")
    before = await everything(redis)
    for canvas, key in ((chain(A, C), "k1"), (A, "k1"), (A, "k2")):
        with pytest.raises(IdempotencyKeyReused):
            await client.start_batch(canvas, "w2", key=key)
    with pytest.raises(IdempotencyKeyReused):
        await client.submit("a", idempotency_key="k1")
    assert await everything(redis) == before


async def test_each_owner_has_keys_of_their_own(client: TaskClient) -> None:
    begun = [await client.as_owner(owner).start_batch(chain(A, B), owner, key="k1") for owner in ("", "acme", "umb")]
    assert [one.replayed for one in begun] == [False] * 3


async def test_of_many_at_once_in_several_processes_one_is_queued(settings: BridgeSettings, redis: Redis) -> None:
    canvas = chain(A, group(B, C), D)
    async with open_client(settings) as one, open_client(settings) as other:
        starts = [client.start_batch(canvas, f"w{at}", key="k1") for at, client in enumerate((one, other) * 25)]
        begun = await asyncio.gather(*starts)
    assert [one.replayed for one in begun].count(False) == 1
    assert len({(one.batch, one.cursor) for one in begun}) == 1
    assert all(one.result == begun[0].result for one in begun)
    assert await redis.execute("LLEN", "celery") == 1
    assert await redis.execute("ZCARD", "petiole:index") == 4


async def test_what_was_refused_did_not_use_its_key(settings: BridgeSettings, redis: Redis) -> None:
    async with open_client(settings.model_copy(update={"max_queue_depth": 1})) as client:
        await client.submit("a", task_id="taken", queue="other")
        for canvas, error in (
            (chord([A, B], C), QueueSaturated),
            (chain(A, B.set(task_id="taken")), DuplicateTask),
        ):
            with pytest.raises(error):
                await client.start_batch(canvas, "w1", key="k1")
        assert await redis.execute("KEYS", "petiole:idempotency:*") == []
        assert not (await client.start_batch(A, "w1", key="k1")).replayed


async def test_with_ids_of_its_own_it_is_told_as_well(client: TaskClient) -> None:
    canvas = chain(A.set(task_id="a1"), B.set(task_id="b1"))
    first = await client.start_batch(canvas, "w1", key="k1")
    assert await client.start_batch(canvas, "w2", key="k1") == first._replace(replayed=True)
    with pytest.raises(DuplicateTask):
        await client.start_batch(canvas, "w2")


async def test_one_whose_answer_was_lost_is_queued_once_and_is_no_replay(
    client: TaskClient, redis: Redis, settings: BridgeSettings
) -> None:
    async with (
        open_parts(settings) as parts,
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(Clock())) as publisher,
    ):
        launcher = Launcher(settings, replace(parts, publisher=publisher))
        first = await launcher.start_batch(chain(A, B), "w1", "k1")
        assert breaking.broken
    assert not first.replayed
    assert await redis.execute("LLEN", "celery") == 1
    assert await client.start_batch(chain(A, B), "w2", key="k1") == first._replace(replayed=True)
    assert await redis.execute("ZCARD", "petiole:index") == 2
