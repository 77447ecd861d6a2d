"""Failed tasks are found, and run again."""

from typing import Any

import pytest

from tests.acceptance.api import ACCEPTED, Api, assert_complete
from tests.acceptance.installation import Installation

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def bulk(api: Api, what: str, **body: object) -> dict[str, Any]:
    answer = await api.http.post(f"/v1/tasks/{what}", json=body)
    assert answer.status_code == ACCEPTED, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_failed_task_is_listed_with_its_reason_and_runs_again_as_a_new_one(api: Api) -> None:
    first = await api.submit("stock.fail", "no flour", queue="stock", tags=["dead"])
    assert_complete(await api.follow(first), "failed")
    (letter,) = (await api.http.get("/v1/tasks", params={"status": "failed", "tag": "dead"})).json()["tasks"]
    assert (letter["task_id"], letter["error"]["type"], letter["error"]["message"]) == (first, "OutOfFlour", "no flour")

    answer = await api.http.post(f"/v1/tasks/{first}/replay")
    assert (answer.status_code, answer.json()["replay_of"]) == (ACCEPTED, first)
    again = answer.json()["task_id"]
    assert_complete(await api.follow(again), "failed")
    assert (await api.task(again))["error"]["message"] == "no flour"


async def test_a_replay_with_other_arguments_can_succeed_and_then_not_be_run_again(api: Api) -> None:
    first = await api.submit("stock.fail", "no flour", queue="stock")
    await api.follow(first)
    options = {"queue": "stock"}
    good = await api.submit("stock.add", 1, "x", queue="stock")
    assert_complete(await api.follow(good), "failed")
    answer = await api.http.post(f"/v1/tasks/{good}/replay", json={"args": [1, 2], "options": options})
    again = answer.json()["task_id"]
    assert_complete(await api.follow(again))
    assert (await api.task(again))["result"] == 3
    refused = await api.http.post(f"/v1/tasks/{again}/replay")
    assert (refused.status_code, refused.json()["type"]) == (409, "payload-gone")


async def test_dead_letters_are_run_again_in_bulk_page_by_page(api: Api) -> None:
    failed = {await api.submit("stock.fail", str(number), queue="stock", tags=["bulk"]) for number in range(5)}
    for task_id in failed:
        await api.follow(task_id)
    which = {"tag": ["bulk"]}
    assert (await bulk(api, "replay", filter=which, dry_run=True))["matched"] == 5
    told = await bulk(api, "replay", filter=which, limit=3)
    replayed = list(told["tasks"])
    while told["next"]:
        told = await bulk(api, "replay", filter=which, limit=3, cursor=told["next"])
        replayed += told["tasks"]
    assert {one["task_id"] for one in replayed} == failed
    for one in replayed:
        assert (await api.task(one["replayed_as"]))["replay_of"] == one["task_id"]
        assert_complete(await api.follow(one["replayed_as"]), "failed")


async def test_many_tasks_are_cancelled_in_bulk(api: Api, shared: Installation) -> None:
    waiting = {await api.submit("stock.add", 1, 1, queue="idle-bulk") for _ in range(3)}
    told = await bulk(api, "cancel", filter={"queue": "idle-bulk"}, reason="not needed")
    assert told["outcomes"] == {"never-ran": 3}
    assert await shared.redis.execute("LLEN", "idle-bulk") == 0
    for task_id in waiting:
        assert (await api.task(task_id))["cancel_reason"] == "not needed"
    assert (await bulk(api, "cancel", filter={"queue": "idle-bulk"}))["matched"] == 0
