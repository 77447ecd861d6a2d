"""A watcher at work, and a worker for it to hear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.errors import TaskNotFound
from bridge.follow.follower import updates
from bridge.follow.hub import DEFAULT_BUFFER, Hub
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.results.backend import ResultBackend
from bridge.watch.watcher import Installation, Watcher
from tests.celery_says import envelope, meta
from tests.clocks import Clock
from tests.integration.submissions import DEADLINE, until

EVENTS = "/0.celeryev/task.multi"
RESULT = "celery-task-meta-"
LIFE_SECONDS = 600


def watcher(redis: Redis, store: StatusStore, clock: Clock, name: str = "watcher-1") -> Watcher:
    site = Installation.of(redis, store, ResultBackend(redis, store.settings), name)
    site.search.pause = 0
    return Watcher(site, lambda: clock.ms)


class Worker:
    """Publishes and stores as a worker does."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def says(self, *events: dict[str, Any]) -> int:
        """Publish events as one message, as workers do; how many watchers heard it."""
        return int(await self._redis.execute("PUBLISH", EVENTS, envelope(list(events))))

    async def publishes(self, task_id: str, value: bytes) -> int:
        """Publish a result without storing it: as heard from another database."""
        return int(await self._redis.execute("PUBLISH", RESULT + task_id, value))

    async def keeps(self, task_id: str, value: bytes) -> None:
        """Store a result without publishing it: as when nobody listens."""
        await self._redis.execute("SETEX", RESULT + task_id, LIFE_SECONDS, value)

    async def stores(self, task_id: str, state: str, result: object = None, **fields: Any) -> None:
        """Store a result and publish it."""
        value = meta(task_id, state, result, **fields)
        key = RESULT + task_id
        await self._redis.transaction(("SETEX", key, LIFE_SECONDS, value), ("PUBLISH", key, value))

    async def is_heard_by(self, watchers: int) -> bool:
        """Whether as many hear its events and its results."""
        nothing = meta("nothing", "PENDING")
        return await self.says() >= watchers and await self.publishes("nothing", nothing) >= watchers


@asynccontextmanager
async def following(redis: Redis, *watchers: Watcher) -> AsyncIterator[Worker]:
    """A worker that is heard by the watchers, which follow for as long as the block runs."""
    worker = Worker(redis)
    tasks = [asyncio.create_task(one.follow()) for one in watchers]
    try:
        await until(lambda: worker.is_heard_by(len(watchers)))
        yield worker
        assert not any(task.done() for task in tasks), tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)


async def history(store: StatusStore, hub: Hub, task_id: str = "a1") -> list[tuple[str, int]]:
    """Kind and attempt of every update of a task, to its end; the updates are numbered without a gap."""
    told = []
    async with asyncio.timeout(DEADLINE):
        async for update in updates(store, hub, task_id, 0, limit=DEFAULT_BUFFER):
            told.append((update.kind, update.attempt))
            assert update.seq == len(told)
    return told


async def has_come_to(store: StatusStore, task_id: str, status: Status, attempt: int = 1) -> bool:
    try:
        record = await store.record(task_id)
    except TaskNotFound:
        return False
    return (record.status, record.attempt) == (status, attempt)


async def has_logged(redis: Redis, caplog: pytest.LogCaptureFixture, text: str) -> bool:
    """Whether a watcher of this process has; asked with a round trip."""
    await redis.execute("PING")
    return text in caplog.text


async def result_of(store: StatusStore, task_id: str = "a1") -> dict[str, Any]:
    record = await store.record(task_id)
    assert record.last is not None
    return record.last.fields
