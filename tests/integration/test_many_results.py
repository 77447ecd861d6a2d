"""A great many results awaited through one client leave nothing behind: no subscription, no task, no memory."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice

import pytest

from bridge import TaskClient, open_client
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.celery_says import meta
from tests.integration.submissions import until

pytestmark = pytest.mark.timeout(600)
MANY, VERY_MANY = 10_000, 100_000
"""Awaited twice; the second with ``--all``."""
BATCH = 500
TTL_SECONDS = 300
OF_CONNECTIONS = 10
"""Futures of connections that a pool may hold now and did not need before."""
TABLE_ENTRY = 50
"""Bytes for each result: tables keep about the room that they once had. A forgotten id alone would take 100."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is there when nothing is awaited: subscriptions at the server; tasks and futures here, and bytes."""

    channels: int
    patterns: int
    tasks: int
    futures: int
    memory: int


@pytest.fixture
async def client(settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    async with open_client(settings) as opened:
        yield opened


async def left(redis: Redis) -> Left:
    gc.collect()
    return Left(
        channels=len(await redis.execute("PUBSUB", "CHANNELS")),
        patterns=await redis.execute("PUBSUB", "NUMPAT"),
        tasks=len(asyncio.all_tasks()),
        futures=sum(isinstance(found, asyncio.Future) for found in gc.get_objects()),
        memory=tracemalloc.get_traced_memory()[0],
    )


def batches(ids: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(ids)
    return iter(lambda: list(islice(rest, BATCH)), [])


async def stores_all(redis: Redis, name: str, count: int) -> None:
    """What workers do with results, while they are awaited already or not yet."""
    for batch in batches(f"{name}{number}" for number in range(count)):
        commands = []
        for task_id in batch:
            key, value = f"celery-task-meta-{task_id}", meta(task_id, "SUCCESS", task_id)
            commands += [("SETEX", key, TTL_SECONDS, value), ("PUBLISH", key, value)]
        await redis.transaction(*commands)


async def awaits_all(client: TaskClient, redis: Redis, name: str, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.result(f"{name}{number}")) for number in range(count)]
        group.create_task(stores_all(redis, name, count))
    assert [task.result() for task in waiting] == [f"{name}{number}" for number in range(count)]


async def test_awaiting_a_great_many_results_leaves_nothing_behind(
    client: TaskClient, redis: Redis, everything: bool
) -> None:
    async def nothing_is_heard() -> bool:
        told = await redis.execute("INFO", "stats")
        return int(told["pubsub_channels"]) == 0

    count = VERY_MANY if everything else MANY
    tracemalloc.start()
    try:
        await awaits_all(client, redis, "first", count)  # what is kept for the next time is kept now
        await until(nothing_is_heard)
        before = await left(redis)
        await awaits_all(client, redis, "again", count)
        await until(nothing_is_heard)
        after = await left(redis)
    finally:
        tracemalloc.stop()
    assert (after.channels, after.patterns) == (before.channels, before.patterns) == (0, 0)
    assert after.tasks == before.tasks
    assert after.futures < before.futures + OF_CONNECTIONS
    assert after.memory - before.memory < count * TABLE_ENTRY
    assert await redis.execute("PUBSUB", "NUMSUB", "celery-task-meta-again0") == [b"celery-task-meta-again0", 0]
