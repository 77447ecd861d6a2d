"""Celery itself, and its dashboard, beside Petiole: each knows the tasks of the other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from celery import Celery
from celery.result import AsyncResult

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import DEADLINE, until
from tests.celery_says import envelope

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.fixture(scope="module")
def celery(shared: Installation) -> Celery:
    """Somebody's application, which knows the names of tasks and nothing else."""
    return Celery("somebody", broker=shared.redis_url, backend=shared.redis_url)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def flower(shared: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """Flower on the shared installation, which hears the events."""
    before = await _ears(shared)
    async with shared.flower() as client:
        await until(lambda: _more_ears(shared, before))
        yield client


async def _ears(installation: Installation) -> int:
    """How many hear an event that tells nothing."""
    return int(await installation.redis.execute("PUBLISH", "/0.celeryev/task.multi", envelope([])))


async def _more_ears(installation: Installation, before: int) -> bool:
    return await _ears(installation) > before


def result_of(celery: Celery, task_id: str) -> "AsyncResult[Any]":
    """Celery's own view of a task."""
    return AsyncResult(task_id, app=celery)


async def test_a_task_that_stock_celery_sent_can_be_followed(api: Api, celery: Celery) -> None:
    sent = await asyncio.to_thread(celery.send_task, "workers.tasks.heavy_task", args=["sent by somebody"])
    await until(lambda: _is_known(api, sent.id))
    updates = await api.follow(sent.id)
    assert_complete(updates)
    assert updates[-1].content["result"] == await asyncio.to_thread(sent.get, timeout=DEADLINE)
    task = await api.task(sent.id)
    assert task["task"] == "workers.tasks.heavy_task"


async def _is_known(api: Api, task_id: str) -> bool:
    return (await api.http.get(f"/v1/tasks/{task_id}")).status_code == httpx.codes.OK


async def test_our_task_read_by_celerys_own_async_result_gives_the_same_result(api: Api, celery: Celery) -> None:
    task_id = await api.submit("workers.tasks.heavy_task", {"a": [1, 2.5, None, "ü"]})
    result = result_of(celery, task_id)
    theirs = await asyncio.to_thread(result.get, timeout=DEADLINE)
    updates = await api.follow(task_id)
    assert theirs == updates[-1].content["result"]
    assert theirs == (await api.http.get(f"/v1/tasks/{task_id}/result")).json()["result"]
    assert await asyncio.to_thread(lambda: result.state) == (await api.task(task_id))["celery_state"] == "SUCCESS"


async def test_our_task_that_failed_is_a_failure_for_celery_too(api: Api, celery: Celery) -> None:
    task_id = await api.submit("stock.fail", "no flour left", queue="stock")
    (*_, end) = await api.follow(task_id)
    assert (end.content["error"]["type"], end.content["error"]["message"]) == ("OutOfFlour", "no flour left")
    result = result_of(celery, task_id)
    assert await asyncio.to_thread(lambda: result.state) == "FAILURE"
    assert await asyncio.to_thread(lambda: result.traceback) == end.content["error"]["traceback"]


async def test_flower_knows_our_task_and_every_try_of_it(api: Api, flower: httpx.AsyncClient) -> None:
    task_id = str(uuid4())
    await api.submit("workers.tasks.flaky", 1, task_id=task_id)
    assert_complete(await api.follow(task_id))

    async def has_ended() -> bool:
        answer = await flower.get(f"/api/task/info/{task_id}")
        return answer.status_code == httpx.codes.OK and answer.json()["state"] == "SUCCESS"

    await until(has_ended)
    task = (await flower.get(f"/api/task/info/{task_id}")).json()
    assert task["name"] == "workers.tasks.flaky"
    assert task["args"] in ("[1]", "(1,)")  # ours, or what the worker says when it sends the next try
    assert task["retries"] == 1
    assert all(task[moment] for moment in ("sent", "received", "started", "retried", "succeeded"))


async def test_flower_shows_a_task_before_any_worker_has_it(api: Api, flower: httpx.AsyncClient) -> None:
    task_id = await api.submit("stock.add", 1, 1, queue="nobody-listens")

    async def is_shown() -> bool:
        answer = await flower.get(f"/api/task/info/{task_id}")
        return answer.status_code == httpx.codes.OK and answer.json()["state"] == "PENDING"

    await until(is_shown)
    await api.cancel(task_id)
