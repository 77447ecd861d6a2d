"""Tasks are cancelled: before they start, while they run, and too late."""

import asyncio
import signal

import pytest
from celery import Celery
from celery.result import AsyncResult

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import CONCURRENCY, FOLLOWING, STOCK_APP, Installation
from tests.acceptance.pace import Pace
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
IDLE = "idle"
"""A queue that no worker consumes."""


@pytest.mark.parametrize("priority", [0, 3, 9])
async def test_a_task_cancelled_before_it_starts_is_taken_out_of_its_queue_and_never_runs(
    api: Api, shared: Installation, priority: int
) -> None:
    task_id = await api.submit("stock.add", 1, 1, queue=IDLE, priority=priority)
    answer = await api.cancel(task_id, reason="changed my mind")
    assert (answer.status_code, answer.json()["outcome"]) == (202, "never-ran")
    assert [queue["ready"] for queue in await _queues(api) if queue["name"] == IDLE] == [0]
    updates = await api.follow(task_id)
    assert_complete(updates, "cancelled")
    assert updates[-1].content["error"] == {"type": "TaskRevokedError", "message": "changed my mind"}
    assert (await api.task(task_id))["cancel_reason"] == "changed my mind"
    assert await asyncio.to_thread(_state_for_celery, shared, task_id) == "REVOKED"


def _state_for_celery(installation: Installation, task_id: str) -> str:
    celery = Celery("somebody", broker=installation.redis_url, backend=installation.redis_url)
    return str(AsyncResult(task_id, app=celery).state)


async def _queues(api: Api) -> list[dict[str, object]]:
    queues: list[dict[str, object]] = (await api.http.get("/v1/queues")).json()["queues"]
    return queues


async def test_a_task_held_until_its_time_can_be_cancelled(api: Api) -> None:
    task_id = await api.submit("stock.add", 1, 1, queue=IDLE, countdown=86_400)
    answer = await api.cancel(task_id)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "never-ran")
    assert_complete(await api.follow(task_id), "cancelled")
    assert (await api.http.get("/v1/queues")).json()["scheduled"] == 0


async def test_a_task_cancelled_while_it_runs_is_ended_when_that_is_asked_for(api: Api, shared: Installation) -> None:
    task_id = await api.submit("stock.paced", 3, queue="stock")
    pace = Pace.of(shared, task_id)
    await pace.runs()
    await pace.step()
    async with api.stream(task_id) as stream:
        updates = await stream.until("progress")
        answer = await api.cancel(task_id, terminate=True)
        assert (answer.status_code, answer.json()["outcome"]) == (202, "requested")
        updates += await stream.rest()
    assert_complete(updates, "cancelled")
    assert updates[-1].content["error"]["type"] == "TaskRevokedError"
    assert (await api.task(task_id))["celery_state"] == "REVOKED"
    assert_complete(await api.follow(await api.submit("stock.add", 1, 1, queue="stock")))


async def test_a_task_cancelled_while_it_runs_goes_on_unless_it_is_terminated(api: Api, shared: Installation) -> None:
    task_id = await api.submit("stock.paced", 1, queue="stock")
    pace = Pace.of(shared, task_id)
    await pace.runs()
    answer = await api.cancel(task_id)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "requested")
    assert (await api.task(task_id))["cancel_requested"] is True
    await pace.step()
    assert_complete(await api.follow(task_id))
    assert await asyncio.to_thread(_state_for_celery, shared, task_id) == "SUCCESS"


async def test_a_task_that_waits_in_a_worker_and_is_cancelled_never_runs(api: Api, shared: Installation) -> None:
    paces = [Pace.of(shared, await api.submit("stock.paced", 1, queue="stock")) for _ in range(CONCURRENCY)]
    for pace in paces:
        await pace.runs()
    task_id = await api.submit("stock.paced", 1, queue="stock")
    async with api.stream(task_id) as stream:
        updates = await stream.until("received")
        assert (await api.cancel(task_id)).json()["outcome"] == "requested"
        updates += await stream.rest()
    assert_complete(updates, "cancelled")
    for pace in paces:
        await pace.step()
        assert_complete(await api.follow(pace.task_id))
    assert_complete(await api.follow(await api.submit("stock.add", 1, 1, queue="stock")))
    assert not await shared.redis.execute("EXISTS", f"test:runs:{task_id}")


async def test_a_worker_that_was_not_connected_when_a_task_was_cancelled_hears_of_it_when_it_is_back(
    own: Installation,
) -> None:
    services = (own.watcher(), own.worker("stock", app=STOCK_APP))
    async with own.api() as api, own.running(*services) as (watcher, worker):
        task_id = await api.submit("stock.paced", 1, queue="stock")
        await Pace.of(own, task_id).runs()
        async with api.stream(task_id) as stream:
            updates = await stream.until("running")
            worker.send_signal(signal.SIGSTOP)
            await own.redis.execute("CLIENT", "KILL", "TYPE", "pubsub")
            await until(own.prints(watcher.name, FOLLOWING, times=2))
            assert (await api.cancel(task_id, terminate=True)).json()["outcome"] == "requested"
            worker.send_signal(signal.SIGCONT)
            updates += await stream.rest()
    assert_complete(updates, "cancelled")


async def test_a_task_that_has_ended_cannot_be_cancelled(api: Api) -> None:
    task_id = await api.submit("stock.add", 1, 1, queue="stock")
    await api.follow(task_id)
    answer = await api.cancel(task_id)
    assert (answer.status_code, answer.json()["type"]) == (409, "task-ended")
    assert answer.json()["task_status"] == "succeeded"
