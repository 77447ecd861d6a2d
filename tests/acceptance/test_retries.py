"""Whoever submits a task says how often it may be retried."""

from typing import Any

import pytest

from tests.acceptance.api import ACCEPTED, Api, assert_complete

pytestmark = pytest.mark.asyncio(loop_scope="package")
FLAKY = "workers.tasks.flaky"
OFTEN = 9
"""More failures than the task's own four retries would cure."""


async def last_words(api: Api, task_id: str) -> str:
    """What a task said in the attempt in which it failed for good."""
    assert_complete(await api.follow(task_id), "failed")
    error: dict[str, str] = (await api.task(task_id))["error"]
    return error["message"]


async def posted(api: Api, path: str, body: object) -> dict[str, Any]:
    answer = await api.http.post(path, json=body)
    assert answer.status_code == ACCEPTED, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("most", [0, 1, 2])
async def test_a_task_fails_for_good_once_it_was_retried_as_often_as_asked(api: Api, most: int) -> None:
    task_id = await api.submit(FLAKY, OFTEN, max_retries=most)
    assert await last_words(api, task_id) == f"Attempt {most + 1} failed on purpose; the first {OFTEN} do."


async def test_so_does_one_of_a_batch_and_a_later_step_of_a_workflow(api: Api) -> None:
    task = {"task": FLAKY, "args": [OFTEN], "options": {"max_retries": 1}}
    batch = await posted(api, "/v1/batches", {"items": [task]})
    assert (await last_words(api, batch["items"][0]["task_id"])).startswith("Attempt 2 failed")
    first = {"task": FLAKY, "args": [0]}
    workflow = await posted(api, "/v1/workflows", {"chain": [first, {**task, "immutable": True}]})
    assert (await last_words(api, workflow["task_id"])).startswith("Attempt 2 failed")


async def test_a_task_of_somebody_else_reads_it_in_each_of_its_attempts(api: Api) -> None:
    task_id = await api.submit("stock.stubborn", queue="stock", max_retries=4)
    assert await last_words(api, task_id) == "attempt 5"


async def test_a_replay_keeps_it(api: Api) -> None:
    task_id = await api.submit("stock.stubborn", queue="stock", max_retries=1)
    assert await last_words(api, task_id) == "attempt 2"
    again = await posted(api, f"/v1/tasks/{task_id}/replay", {})
    assert await last_words(api, again["task_id"]) == "attempt 2"
    refused = await api.http.post(f"/v1/tasks/{task_id}/replay", json={"options": {"max_retries": 2}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/options/max_retries")
