"""A worker that was away when a task was revoked is told when it is back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from tests.celery_says import WORKER, envelope, heartbeat
from tests.clocks import Clock
from tests.integration.pidbox import Panel, serving
from tests.integration.telling import AT_MS, in_status
from tests.integration.watching import following, watcher

ONLINE, BEAT = heartbeat(kind="worker-online"), heartbeat()


@pytest.fixture
async def panel(redis: Redis) -> AsyncIterator[Panel]:
    worker = Panel(redis, WORKER, answer=None)
    async with serving(worker):
        yield worker


async def say(redis: Redis, *events: dict[str, object]) -> None:
    for event in events:
        await redis.execute("PUBLISH", "/0.celeryev/worker.any", envelope(event))


async def test_what_was_revoked_while_a_worker_was_away_is_told_it_at_its_first_heartbeat(
    redis: Redis, store: StatusStore, clock: Clock, panel: Panel
) -> None:
    for task_id in ("a1", "b1", "c1", "d1"):
        await in_status(store, Status.RUNNING, task_id=task_id)
    await store.note_cancel("a1", "", "", AT_MS)
    await store.note_cancel("b1", "wrong file", "SIGKILL", AT_MS)
    await store.note_cancel("c1", "too late", "", AT_MS)
    await in_status(store, Status.SUCCEEDED, task_id="c1")

    async with following(redis, watcher(redis, store, clock)):
        as_it_begins = [(await panel.hears())["arguments"] for _ in range(2)]
        await say(redis, ONLINE)
        assert panel.commands.empty()
        await say(redis, BEAT)
        heard = [(await panel.hears())["arguments"] for _ in range(2)]

    assert sorted(heard, key=lambda told: bool(told["terminate"])) == [
        {"task_id": ["a1"], "terminate": False, "signal": "SIGTERM"},
        {"task_id": ["b1"], "terminate": True, "signal": "SIGKILL"},
    ]
    assert as_it_begins == heard


async def test_a_worker_that_was_there_all_the_time_is_told_nothing_twice(
    redis: Redis, store: StatusStore, clock: Clock, panel: Panel
) -> None:
    await in_status(store, Status.RUNNING, task_id="a1")
    await store.note_cancel("a1", "", "", AT_MS)
    async with following(redis, watcher(redis, store, clock)):
        await panel.hears()

        await say(redis, BEAT, BEAT)
        await in_status(store, Status.RUNNING, task_id="b1")
        await store.note_cancel("b1", "", "", AT_MS)
        await say(redis, ONLINE, BEAT)

        assert sorted((await panel.hears())["arguments"]["task_id"]) == ["a1", "b1"]


async def test_a_watcher_that_begins_to_listen_repeats_what_was_revoked_before(
    redis: Redis, store: StatusStore, clock: Clock, panel: Panel
) -> None:
    await in_status(store, Status.RUNNING, task_id="a1")
    await store.note_cancel("a1", "", "", AT_MS)
    async with following(redis, watcher(redis, store, clock)), asyncio.timeout(10):
        assert (await panel.hears())["arguments"]["task_id"] == ["a1"]
