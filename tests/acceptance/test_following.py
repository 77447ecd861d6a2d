"""A task is submitted and followed to its end."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime

import pytest

from tests.acceptance.api import Api, assert_complete, names
from tests.acceptance.installation import CONCURRENCY, ROOT, Installation
from tests.acceptance.pace import Pace

pytestmark = pytest.mark.asyncio(loop_scope="package")
MANY = 200
TABLE = ROOT / "data" / "penguins_raw.csv"


async def test_a_submitted_task_is_followed_to_its_success_with_every_id_once_and_rising(api: Api) -> None:
    answer = await api.http.post("/tasks/submit", json={"data": "sample payload"})
    assert answer.status_code == 202
    assert answer.json().keys() == {"task_id", "status"}
    assert answer.json()["status"] == "submitted"
    task_id = answer.json()["task_id"]
    assert answer.headers["location"] == f"/v1/tasks/{task_id}"
    updates = await api.follow(task_id)
    assert_complete(updates)
    assert [update.name for update in updates if update.name != "progress"] == [
        "submitted",
        "received",
        "running",
        "succeeded",
    ]
    assert [update.progress[:2] for update in updates if update.progress] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert updates[-1].content["result"] == (await api.task(task_id))["result"]


async def test_a_task_that_fails_twice_is_retried_with_growing_delays_and_numbered_attempts(api: Api) -> None:
    updates = await api.follow(await api.submit("workers.tasks.flaky", 2))
    assert_complete(updates)
    assert updates[-1].content["result"] == {"attempts": 3}
    assert [update.attempt for update in updates if update.name == "running"] == [1, 2, 3]
    assert [update.attempt for update in updates if update.name == "retrying"] == [1, 2]
    assert [update.attempt for update in updates] == sorted(update.attempt for update in updates)
    failed = [_time(update.content) for update in updates if update.name == "retrying"]
    begun = [_time(update.content) for update in updates if update.name == "running"][1:]
    first, second = (after - before for before, after in zip(failed, begun, strict=True))
    assert 0.4 < first < second


def _time(content: object) -> float:
    assert isinstance(content, dict)
    return datetime.fromisoformat(content["time"]).timestamp()


async def test_a_task_that_fails_for_good_tells_type_message_and_traceback(api: Api) -> None:
    task_id = await api.submit("workers.tasks.summarise_csv", "")
    updates = await api.follow(task_id)
    assert_complete(updates, "failed")
    error = updates[-1].content["error"]
    assert error["type"] == "InvalidCsv"
    assert error["message"]
    assert error["traceback"].startswith("Traceback (most recent call last)")
    assert (await api.task(task_id))["error"] == error
    answer = await api.http.get(f"/v1/tasks/{task_id}/result")
    assert (answer.status_code, answer.json()["type"]) == (409, "task-failed")
    assert answer.json()["error"] == error


async def test_the_summary_of_a_table_tells_its_progress(api: Api) -> None:
    task_id = await api.submit("workers.tasks.summarise_csv", TABLE.read_text())
    updates = await api.follow(task_id)
    assert_complete(updates)
    told = [update.progress for update in updates if update.progress]
    assert len(told) > 1
    assert [current for current, _, _ in told] == sorted({current for current, _, _ in told})
    assert told[-1][0] == told[-1][1]
    result = (await api.http.get(f"/v1/tasks/{task_id}/result")).json()["result"]
    assert result["rows"] == 344


async def test_states_of_an_application_of_its_own_come_as_progress(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.bake", queue="stock"))
    assert_complete(updates)
    assert [update.content["progress"] for update in updates if update.name == "progress"] == [
        {"state": "KNEADING", "flour": "rye"},
        {"state": "BAKING", "current": 1, "total": 2, "oven": 180},
    ]


async def test_the_end_of_a_task_that_stores_no_result_arrives(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.silent", queue="stock"))
    assert_complete(updates)
    assert updates[-1].content["result"] is None


async def test_a_large_result_is_not_in_the_stream_but_at_the_address_that_the_stream_names(api: Api) -> None:
    task_id = await api.submit("stock.big", 100_000, queue="stock")
    end = (await api.follow(task_id))[-1]
    assert "result" not in end.content
    answer = await api.http.get(end.content["result_ref"])
    assert answer.json() == {"task_id": task_id, "status": "succeeded", "result": "x" * 100_000}


async def test_a_task_whose_time_has_passed_before_it_could_start_is_expired(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.add", 1, 1, queue="stock", expires=0))
    assert_complete(updates, "expired")


async def test_a_task_that_no_worker_knows_fails_and_says_so(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.unheard_of", queue="stock"))
    assert_complete(updates, "failed")
    assert updates[-1].content["error"]["type"] == "NotRegistered"


async def test_two_hundred_tasks_are_followed_over_two_hundred_streams_at_once_and_nothing_is_missing(
    api: Api, shared: Installation, lifetimes: AsyncExitStack
) -> None:
    paces = [Pace.of(shared, await api.submit("stock.paced", 1, queue="stock")) for _ in range(CONCURRENCY)]
    for pace in paces:
        await pace.runs()
    task_ids = await asyncio.gather(*(api.submit("stock.add", n, n, queue="stock") for n in range(MANY)))
    streams = [await lifetimes.enter_async_context(api.stream(task_id)) for task_id in task_ids]
    first = [await stream.next() for stream in streams]
    for pace in paces:
        await pace.step()
    followed = [
        [update, *rest]
        for update, rest in zip(first, await asyncio.gather(*(stream.rest() for stream in streams)), strict=True)
    ]
    for updates in followed:
        assert_complete(updates)
        assert {"submitted", "succeeded"} <= set(names(updates))
    assert [updates[-1].content["result"] for updates in followed] == [n + n for n in range(MANY)]


async def test_many_who_follow_one_task_all_hear_the_same(api: Api) -> None:
    task_id = await api.submit("workers.tasks.heavy_task", "watched by many")
    followed = await asyncio.gather(*(api.follow(task_id) for _ in range(50)))
    assert_complete(followed[0])
    assert all(updates == followed[0] for updates in followed)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/result"), ("GET", "/history"), ("GET", "/events"), ("POST", "/cancel")],
)
async def test_an_id_that_nobody_submitted_is_not_found(api: Api, method: str, path: str) -> None:
    answer = await api.http.request(method, f"/v1/tasks/never-submitted{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "task-not-found"
