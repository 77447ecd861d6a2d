"""What starting a workflow writes into Redis."""

import pytest

from bridge import chord, connect, group, signature
from bridge.errors import InvalidMessage, QueueSaturated
from bridge.redis import Redis

LIMIT = 10_000


async def test_a_workflow_of_which_one_task_cannot_be_sent_is_not_begun(redis: Redis, shared_url: str) -> None:
    small, large = signature("a", ("x",)), signature("a", ("x" * LIMIT,))
    async with connect(shared_url, max_message_bytes=LIMIT) as client:
        with pytest.raises(InvalidMessage, match="the limit"):
            await client.start(chord([small, large], small))
        assert await redis.execute("DBSIZE") == 0


async def test_a_chord_is_counted_on_the_backends_database(redis: Redis, shared_url: str) -> None:
    backend = shared_url.removesuffix("/0") + "/1"
    task = signature("a")
    async with connect(shared_url, backend=backend) as client:
        await client.start(group(chord([task, task], task), task))
    assert await redis.execute("LLEN", "celery") == 3
    assert not await redis.execute("KEYS", "celery-*")
    (counter,) = await _keys_of(backend)
    assert counter.startswith(b"celery-taskset-meta-")
    assert counter.endswith(b".s")


@pytest.mark.parametrize("database", ["/0", "/1"], ids=["one database", "two databases"])
async def test_a_chord_that_comes_again_under_its_id_begins_anew(redis: Redis, shared_url: str, database: str) -> None:
    """Workers of Celery 5.7 keep there that the body was sent, and would not send it again."""
    backend, claim = shared_url.removesuffix("/0") + database, "celery-taskset-meta-mine.c"
    task = signature("a")
    async with connect(shared_url, backend=backend) as client, Redis.open(backend, client.settings) as results:
        await results.execute("SET", claim, "done")
        await client.start(chord([task, task], task).set(task_id="mine"))
        assert not await results.execute("EXISTS", claim)
        assert await results.execute("GET", "celery-taskset-meta-mine.s") == b"2"


async def _keys_of(url: str) -> list[bytes]:
    async with connect(url) as client, Redis.open(url, client.settings) as redis:
        keys: list[bytes] = await redis.execute("KEYS", "*")
        return keys


@pytest.mark.parametrize(("database", "trips"), [("/0", 1), ("/1", 2)], ids=["one database", "two databases"])
async def test_a_chord_starts_in_one_round_trip_where_its_counter_is_on_the_same_database(
    redis: Redis, shared_url: str, database: str, trips: int
) -> None:
    work = chord([signature("a"), signature("b")], signature("c"))
    async with connect(shared_url, backend=shared_url.removesuffix("/0") + database) as client:
        await client.start(work)  # connects, and has the script loaded
        reads = await _reads(redis)
        await client.start(work)
        assert await _reads(redis) - reads == trips + 1  # and the one that asks


async def test_a_chord_whose_queue_is_too_deep_is_refused(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url, max_queue_depth=1) as client:
        with pytest.raises(QueueSaturated):
            await client.start(chord([signature("a"), signature("b")], signature("c")))


async def _reads(redis: Redis) -> int:
    """How often the server has read from a connection."""
    stats = await redis.execute("INFO", "stats")
    return int(stats["total_reads_processed"])
