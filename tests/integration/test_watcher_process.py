"""The watcher as arq runs it."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.celery_says import meta, received, started
from tests.integration.submissions import submission, until
from tests.integration.watching import Worker, has_logged

watcher_process = pytest.importorskip("bridge.watcher_process")


async def test_it_follows_and_what_arq_calls_at_times_is_done(
    redis: Redis,
    store: StatusStore,
    publisher: Publisher,
    settings: BridgeSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    for task_id in ("a1", "b1"):
        await publisher.publish(submission(task_id))
    await publisher.publish(submission("c1", eta=datetime.now(UTC) + timedelta(days=1)))
    worker = Worker(redis)
    arq = watcher_process.watcher_settings(settings)
    shared = dict(arq.ctx)

    await arq.on_startup(shared)
    await until(lambda: has_logged(redis, caplog, "following;"))
    await worker.says(received("a1"), started("a1"))
    await until(lambda: is_in(store, "a1", Status.RUNNING))
    await worker.keeps("b1", meta("b1", "SUCCESS", 3))
    assert await watcher_process.sweep(shared) == 1
    assert await watcher_process.release_due(shared) == 0
    await arq.on_shutdown(shared)

    assert await is_in(store, "b1", Status.SUCCEEDED)
    assert not await worker.is_heard_by(1)


async def is_in(store: StatusStore, task_id: str, status: Status) -> bool:
    return (await store.record(task_id)).status is status


async def test_a_shutdown_without_a_start_is_harmless(settings: BridgeSettings) -> None:
    await watcher_process.watcher_settings(settings).on_shutdown({})


def test_arq_is_told_to_speak_json_and_to_wait_for_redis(settings: BridgeSettings) -> None:
    arq = watcher_process.watcher_settings(settings)

    assert arq.job_deserializer(arq.job_serializer({"function": "sweep"})) == {"function": "sweep"}
    assert arq.queue_name.startswith(settings.prefix)
    assert arq.redis_settings.retry_on_timeout
    names = {job.name for job in arq.cron_jobs}
    assert names == {f"petiole:arq:{job}" for job in ("sweep", "release_due", "learn_names", "survey_workers")}


def test_installations_in_one_database_do_not_take_each_others_turns(settings: BridgeSettings) -> None:
    other = settings.model_copy(update={"prefix": "other:"})
    names = [{job.name for job in watcher_process.watcher_settings(one).cron_jobs} for one in (settings, other)]

    assert names[0].isdisjoint(names[1])


def test_only_its_settings_are_made_on_demand() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Something'"):
        _ = watcher_process.Something
