"""The watcher: what workers say and store, as one history."""

import pytest

from app.cli.processes.child import Child
from bridge.follow.hub import Hub
from bridge.protocol.attempts import HOLD_MS
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
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
from tests.clocks import Clock
from tests.integration.restarting import kill, restart
from tests.integration.submissions import identity, submission, until
from tests.integration.watching import Worker, following, has_come_to, history, result_of, watcher


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


async def test_what_is_no_event_is_passed_over_and_those_that_came_with_it_are_told(
    publisher: Publisher, store: StatusStore, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says(received("a1"), {"odd": "one"}, started("a1"))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING))
    assert "passed over what is no event: {'odd': 'one'}" in caplog.text


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


async def test_an_end_tells_the_attempt_though_the_retry_before_it_was_not_heard_of_yet(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says(received("a1"), started("a1"), received("a1", 1), started("a1"))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING))

    await worker.stores("a1", "SUCCESS", 3)

    told = await history(store, hub)
    assert told[-3:] == [("received", 2), ("running", 2), ("succeeded", 2)]


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


@pytest.mark.parametrize("stored", [True, False])
async def test_a_task_that_is_rejected_has_failed_if_that_is_what_its_worker_stored(
    publisher: Publisher, store: StatusStore, worker: Worker, stored: bool
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says(received("a1"), started("a1"))
    if stored:
        await worker.stores("a1", "FAILURE", exception("Reject", "no"))
    await worker.says(event("task-rejected", "a1"))
    await until(lambda: has_come_to(store, "a1", Status.FAILED if stored else Status.REJECTED))


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


async def test_the_sweep_moves_a_task_whose_news_was_lost(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, clock: Clock
) -> None:
    for task_id in ("a1", "b1", "c1"):
        await publisher.publish(submission(task_id))
    worker = Worker(redis)
    await worker.keeps("a1", meta("a1", "SUCCESS", 3))
    await worker.keeps("b1", meta("b1", "STARTED", {"hostname": WORKER}))
    clock.now += 1

    assert await watcher(redis, store, clock).sweep() == 2
    assert await watcher(redis, store, clock).sweep() == 0

    assert await history(store, hub) == [("submitted", 1), ("succeeded", 1)]
    assert (await store.record("b1")).status is Status.RUNNING
    assert (await store.record("c1")).status is Status.SUBMITTED


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
        await kill(own_server, redis)
        await restart(own_server)

        await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))
        await until(lambda: worker.is_heard_by(1))
        await worker.says(received("b1"), started("b1"), succeeded("b1"))
        await until(lambda: has_come_to(store, "b1", Status.SUCCEEDED))
