"""The watcher: what workers say and store, as one history."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.cli.processes import Child
from bridge.errors import TaskNotFound
from bridge.follower import updates
from bridge.hub import DEFAULT_BUFFER, Hub
from bridge.protocol.attempts import HOLD_MS
from bridge.protocol.state import Status
from bridge.publisher import Publisher
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.status_store import StatusStore
from tests.celery_says import (
    WORKER,
    envelope,
    event,
    exception,
    failed,
    heartbeat,
    meta,
    received,
    retried,
    started,
    succeeded,
)
from tests.integration.submissions import DEADLINE, Clock, identity, submission, until
from tests.integration.watching import Worker, following, watcher


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


async def result_of(store: StatusStore, task_id: str = "a1") -> dict[str, Any]:
    record = await store.record(task_id)
    assert record.last is not None
    return record.last.fields


@pytest.fixture
async def worker(redis: Redis, store: StatusStore, clock: Clock) -> AsyncIterator[Worker]:
    async with following(redis, watcher(redis, store, clock)) as heard:
        yield heard


async def test_events_and_results_make_one_history(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))

    await worker.says(received("a1"), started("a1"))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING))
    await worker.stores("a1", "STARTED", {"pid": 7, "hostname": WORKER})
    await worker.stores("a1", "PROGRESS", {"current": 1, "total": 2})
    await worker.stores("a1", "SUCCESS", {"sum": 3})
    await worker.says(succeeded("a1"))

    assert await history(store, hub) == [
        (kind, 1) for kind in ("submitted", "received", "running", "progress", "succeeded")
    ]
    assert (await result_of(store))["result"] == {"sum": 3}
    record = await store.record("a1")
    assert (record.worker, record.celery_state) == (WORKER, "SUCCESS")


async def test_retries_are_counted_though_a_worker_tells_of_them_in_the_wrong_order(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))

    await worker.says(received("a1"), started("a1"), received("a1", 1), retried("a1"))
    await worker.says(started("a1"), received("a1", 2), retried("a1"), started("a1"))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING, 3))
    await worker.stores("a1", "SUCCESS", 3)

    one_attempt = ("received", "running", "retrying")
    assert await history(store, hub) == [
        ("submitted", 1),
        *((kind, 1) for kind in one_attempt),
        *((kind, 2) for kind in one_attempt),
        ("received", 3),
        ("running", 3),
        ("succeeded", 3),
    ]


async def test_results_alone_tell_of_retries(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))

    for _ in range(2):
        await worker.stores("a1", "STARTED", {"hostname": WORKER})
        await worker.stores("a1", "RETRY", exception("ValueError", "not yet"))
    await worker.stores("a1", "STARTED", {"hostname": WORKER})
    await worker.stores("a1", "FAILURE", exception("ValueError", "oops"), traceback="Traceback …")

    assert await history(store, hub) == [
        ("submitted", 1),
        *(("running", 1), ("retrying", 1)),
        *(("running", 2), ("retrying", 2)),
        *(("running", 3), ("failed", 3)),
    ]
    assert (await result_of(store))["error"] == {"type": "ValueError", "message": "oops", "traceback": "Traceback …"}


async def test_two_watchers_of_the_same_news_double_nothing(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    both = [watcher(redis, store, clock, "watcher-1"), watcher(redis, store, clock, "watcher-2")]

    async with following(redis, *both) as worker:
        await worker.says(received("a1"), started("a1"))
        await until(lambda: has_come_to(store, "a1", Status.RUNNING))
        for current in range(20):
            await worker.stores("a1", "PROGRESS", {"current": current})
        await worker.says(received("a1", 1), retried("a1"), started("a1"))
        await until(lambda: has_come_to(store, "a1", Status.RUNNING, 2))
        await worker.says(event("task-progress", "a1", current=99))
        await worker.stores("a1", "SUCCESS", 3)
        await worker.says(succeeded("a1"))
        told = await history(store, hub)

    assert told == [
        *(("submitted", 1), ("received", 1), ("running", 1)),
        *[("progress", 1)] * 20,
        *(("retrying", 1), ("received", 2), ("running", 2)),
        ("progress", 2),
        ("succeeded", 2),
    ]


async def test_a_retry_whose_event_was_lost_is_passed_over_after_a_while(
    publisher: Publisher, store: StatusStore, worker: Worker, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says(received("a1"), started("a1"), received("a1", 1))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING))

    clock.now += HOLD_MS / 1_000

    await until(lambda: has_come_to(store, "a1", Status.RECEIVED, 2))


async def test_a_task_that_stores_no_result_ends_by_its_event(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await publisher.publish(submission("b1"))

    await worker.says(received("a1"), started("a1"), succeeded("a1"))
    await worker.says(received("b1"), started("b1"), failed("b1"))

    assert await history(store, hub) == [(kind, 1) for kind in ("submitted", "received", "running", "succeeded")]
    assert (await result_of(store))["result"] is None
    assert (await history(store, hub, "b1"))[-1] == ("failed", 1)
    assert (await result_of(store, "b1"))["error"]["message"] == "oops"


async def test_an_event_is_a_hint_to_look_for_a_result_whose_publication_was_lost(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await worker.keeps("a1", meta("a1", "SUCCESS", {"sum": 3}))
    await worker.says(succeeded("a1"))

    await history(store, hub)
    assert (await result_of(store))["result"] == {"sum": 3}


@pytest.mark.parametrize("value", [b"", b"\xff\x00", b"null", b"{}", b'{"body": 5}', b"[" * 10_000])
async def test_messages_that_mean_nothing_are_passed_over(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker, value: bytes
) -> None:
    await publisher.publish(submission("a1"))
    for channel in ("/0.celeryev/task.multi", "/0.celeryev/worker.heartbeat", "celery-task-meta-a1"):
        assert await redis.execute("PUBLISH", channel, value) == 1

    await worker.says(received("a1"), started("a1"))
    await worker.stores("a1", "SUCCESS", 3)

    assert (await history(store, hub))[-1] == ("succeeded", 1)


async def test_events_that_came_together_with_a_malformed_one_are_heard(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says({"type": "task-started"}, received("x1", eta="soon"), received("a1"), started("a1"))
    await worker.stores("a1", "SUCCESS", 3)
    assert ("running", 1) in await history(store, hub)


async def test_texts_that_are_not_unicode_do_not_stop_a_watcher(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await worker.stores("a1", "PROGRESS", {"message": "half \ud800"})
    await worker.stores("a1", "\ud800", "half \ud800")
    await worker.stores("a1", "FAILURE", exception("Bad\ud800", "half \ud800"))

    assert (await history(store, hub))[-1] == ("failed", 1)
    assert (await result_of(store))["error"] == {"type": "Bad?", "message": "half ?"}


async def test_the_sweep_moves_a_task_whose_news_was_lost(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, clock: Clock
) -> None:
    for task_id in ("a1", "b1", "c1"):
        await publisher.publish(submission(task_id))
    worker = Worker(redis)
    await worker.keeps("a1", meta("a1", "SUCCESS", 3))
    await worker.keeps("b1", meta("b1", "STARTED", {"hostname": WORKER}))

    assert await watcher(redis, store, clock).sweep() == 2
    assert await watcher(redis, store, clock).sweep() == 0

    assert await history(store, hub) == [("submitted", 1), ("succeeded", 1)]
    assert (await store.record("b1")).status is Status.RUNNING
    assert (await store.record("c1")).status is Status.SUBMITTED


async def test_a_stored_value_that_cannot_be_read_does_not_keep_the_sweep_from_the_others(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    for task_id in ("a1", "b1", "c1"):
        await publisher.publish(submission(task_id))
    worker = Worker(redis)
    await worker.keeps("a1", b"\x80\x04pickle")
    await worker.keeps("b1", b"\x00celery-compressed\x00application/zstd\x00data")
    await worker.keeps("c1", meta("c1", "SUCCESS", 3))

    assert await watcher(redis, store, clock).sweep() == 1
    assert (await store.record("c1")).status is Status.SUCCEEDED


async def test_tasks_of_other_producers_are_adopted_from_their_events(
    store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await worker.says(event("task-sent", "a1", retries=0, name="tasks.add", queue="mail"))
    await worker.says(received("a1"), started("a1"))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING))
    await worker.stores("a1", "SUCCESS", 3)

    assert await history(store, hub) == [(kind, 1) for kind in ("submitted", "received", "running", "succeeded")]
    record = await store.record("a1")
    assert (record.task, record.queue, record.worker) == ("tasks.add", "mail", WORKER)


async def test_tasks_of_other_producers_are_adopted_from_their_results(
    store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await worker.stores("a1", "SUCCESS", 3)
    await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
    assert await history(store, hub) == [("succeeded", 1)]


async def test_results_of_another_database_are_not_adopted(store: StatusStore, worker: Worker) -> None:
    await worker.publishes("foreign", meta("foreign", "SUCCESS", 3))
    await worker.stores("a1", "SUCCESS", 3)
    await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
    with pytest.raises(TaskNotFound):
        await store.record("foreign")


async def test_nothing_is_adopted_when_that_is_not_wanted(redis: Redis, settings: BridgeSettings, clock: Clock) -> None:
    own_only = settings.model_copy(update={"adopt": False})
    async with (
        StatusStore.open(redis, own_only) as store,
        Publisher.open(redis, own_only, identity(clock)) as publisher,
    ):
        await publisher.publish(submission("a1"))
        async with following(redis, watcher(redis, store, clock)) as worker:
            await worker.says(received("foreign"), started("foreign"), succeeded("foreign"))
            await worker.stores("foreign", "SUCCESS", 3)
            await worker.says(received("a1"), started("a1"), succeeded("a1"))
            await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
        with pytest.raises(TaskNotFound):
            await store.record("foreign")


async def test_an_id_that_could_not_stand_in_a_url_is_not_adopted(
    redis: Redis, store: StatusStore, worker: Worker
) -> None:
    await worker.says(received("a/b"), started("a/b"), received("a1"), started("a1"))
    await worker.stores("a/b", "SUCCESS", 3)
    await worker.stores("a1", "SUCCESS", 3)
    await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
    assert await redis.execute("KEYS", "petiole:*a/b") == []


async def test_heartbeats_and_signs_of_life_are_kept_for_all_to_read(
    redis: Redis, worker: Worker, clock: Clock
) -> None:
    await redis.execute("PUBLISH", "/0.celeryev/worker.heartbeat", envelope(heartbeat()))
    await until(lambda: has_field(redis, "petiole:workers", WORKER))
    await until(lambda: has_field(redis, "petiole:watchers", "watcher-1"))


async def has_field(redis: Redis, key: str, field: str) -> bool:
    return bool(await redis.execute("HEXISTS", key, field))


async def test_news_lost_while_the_server_was_away_is_found_when_it_is_back(
    own_server: Child, own_url: str, clock: Clock
) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with (
        Redis.open(own_url, settings) as redis,
        StatusStore.open(redis, settings) as store,
        Publisher.open(redis, settings, identity(clock)) as publisher,
        following(redis, watcher(redis, store, clock)) as worker,
    ):
        await publisher.publish(submission("a1"))
        await publisher.publish(submission("b1"))
        await worker.keeps("a1", meta("a1", "SUCCESS", 3))
        await redis.execute("WAITAOF", 1, 0, 5_000)
        await own_server.kill()
        await own_server.start()
        await own_server.ready()

        await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
        await until(lambda: worker.is_heard_by(1))
        await worker.says(received("b1"), started("b1"), succeeded("b1"))
        await until(lambda: has_come_to(store, "b1", Status.SUCCEEDED))
