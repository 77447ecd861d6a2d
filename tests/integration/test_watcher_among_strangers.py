"""The watcher among strangers: tasks that others submitted, and messages that mean nothing."""

import pytest

from bridge.errors import TaskNotFound
from bridge.follow.hub import Hub
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.celery_says import (
    WORKER,
    event,
    exception,
    meta,
    received,
    started,
    succeeded,
)
from tests.clocks import Clock
from tests.integration.submissions import identity, submission, until
from tests.integration.watching import Worker, following, has_come_to, history, result_of, watcher


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


async def test_a_channel_whose_name_is_no_text_does_not_stop_a_watcher(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    for channel in (b"/0.celeryev/\xff", b"celery-task-meta-\xff"):
        assert await redis.execute("PUBLISH", channel, "x") == 1
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
