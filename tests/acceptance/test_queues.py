"""Queues are paused, resumed and purged, under workers that come and go."""

from typing import Any

import pytest

from bridge import connect
from tests.acceptance.api import ACCEPTED, Api, assert_complete
from tests.acceptance.installation import CONCURRENCY, STOCK_APP, Installation
from tests.acceptance.pace import Pace
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def queue(api: Api, name: str) -> dict[str, Any]:
    answer = await api.http.get(f"/v1/queues/{name}")
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


async def tell(api: Api, name: str, order: str) -> dict[str, Any]:
    answer = await api.http.post(f"/v1/queues/{name}/{order}")
    assert answer.status_code == ACCEPTED, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_paused_queue_rests_until_it_is_resumed_also_under_a_worker_that_starts_meanwhile(
    own: Installation,
) -> None:
    async with own.api() as api, own.running(own.watcher(), own.worker("stock", app=STOCK_APP)):
        assert_complete(await api.follow(await api.submit("stock.add", 1, 1, queue="stock")))
        await tell(api, "stock", "pause")
        refused = await api.http.post("/v1/tasks", json={"task": "stock.add", "options": {"queue": "stock"}})
        assert (refused.status_code, refused.json()["type"]) == (409, "queue-paused")

        async with own.running(own.worker("stock", app=STOCK_APP)):
            await until(lambda: _rests(own, 2))
            message = await _queued_by_hand(own, api)
            # A worker that waits for a message when it is told to take none puts back the one that ends its waiting.
            await until(lambda: _is_ready(api))
            assert (await api.task(message))["status"] == "submitted"
            await tell(api, "stock", "resume")
            assert_complete(await api.follow(message))
            await until(lambda: _has_consumers(api, 2))


async def _rests(own: Installation, workers: int) -> bool:
    """Whether it is known of so many workers that they are to come back, and each says that it takes no tasks."""
    async with connect(own.redis_url) as tasks:
        replies = await tasks.control.active_queues(limit=workers)
    told = await own.redis.execute("SCARD", "petiole:paused:stock")
    return int(told) == len(replies) == workers and not any(replies.values())


async def _is_ready(api: Api) -> bool:
    return bool((await queue(api, "stock"))["ready"] == 1)


async def _has_consumers(api: Api, count: int) -> bool:
    return len((await queue(api, "stock"))["consumers"]) == count


async def _queued_by_hand(own: Installation, api: Api) -> str:
    """A task in the queue, which takes none by the API: moved there from another one.

    The message says where it is, since a worker puts it back there.
    """
    task_id = await api.submit("stock.add", 1, 1, queue="aside")
    message: bytes = await own.redis.execute("LPOP", "aside")
    await own.redis.execute("LPUSH", "stock", message.replace(b'"aside"', b'"stock"'))
    return task_id


async def test_a_purged_queue_is_empty_and_its_tasks_are_cancelled(api: Api) -> None:
    waiting = [await api.submit("stock.add", 1, 1, queue="to-purge", priority=priority) for priority in (0, 9)]
    assert (await queue(api, "to-purge"))["ready"] == 2
    assert (await tell(api, "to-purge", "purge")) == {"queue": "to-purge", "purged": 2, "ready": 0}
    for task_id in waiting:
        assert_complete(await api.follow(task_id), "cancelled")
        assert (await api.task(task_id))["cancel_reason"] == "purged"


async def test_a_queue_tells_what_waits_what_workers_have_and_who_they_are(api: Api, shared: Installation) -> None:
    paces = [Pace.of(shared, await api.submit("stock.paced", 1, queue="stock")) for _ in range(CONCURRENCY)]
    for pace in paces:
        await pace.runs()
    await until(lambda: _has_consumers(api, 1))
    told = await queue(api, "stock")
    assert told["unacked"] == 0  # a stock worker acknowledges before it runs
    assert told["consumers"][0].startswith("worker-")
    workers = {worker["hostname"]: worker for worker in (await api.http.get("/v1/workers")).json()["workers"]}
    worker = workers[told["consumers"][0]]
    assert (worker["pool_size"], worker["queues"]) == (CONCURRENCY, ["stock"])
    for pace in paces:
        await pace.step()
        assert_complete(await api.follow(pace.task_id))


async def test_a_task_that_waits_gives_its_queue_an_age(api: Api) -> None:
    await api.submit("stock.add", 1, 1, queue="aging")
    told = await queue(api, "aging")
    assert 0 <= told["oldest_age_seconds"] < 60
    assert told["consumers"] == []
    await tell(api, "aging", "purge")
    assert (await queue(api, "aging"))["oldest_age_seconds"] is None


async def test_a_queue_whose_name_has_a_slash_is_one_like_another(api: Api) -> None:
    await api.submit("stock.add", 1, 1, queue="team/mail")
    assert (await queue(api, "team%2Fmail"))["ready"] == 1
    assert (await tell(api, "team%2Fmail", "pause")) == {"queue": "team/mail", "paused": True}
    assert (await tell(api, "team%2Fmail", "resume")) == {"queue": "team/mail", "paused": False}
    assert (await tell(api, "team%2Fmail", "purge")) == {"queue": "team/mail", "purged": 1, "ready": 0}
