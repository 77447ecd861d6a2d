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


async def test_a_replay_that_is_sent_again_runs_no_second_task(api: Api) -> None:
    first, other = [await api.submit("stock.fail", "no flour", queue="stock", tags=["once"]) for _ in range(2)]
    for task_id in (first, other):
        await api.follow(task_id)
    key, path = {"Idempotency-Key": "again-1"}, f"/v1/tasks/{first}/replay"
    told = [await api.http.post(path, headers=key) for _ in range(2)]
    assert [one.status_code for one in told] == [ACCEPTED] * 2
    assert told[0].json()["task_id"] == told[1].json()["task_id"]
    assert [one.headers.get("idempotency-replayed") for one in told] == [None, "true"]
    for where, body in ((path, {"args": ["no salt"]}), (f"/v1/tasks/{other}/replay", {})):
        refused = await api.http.post(where, json=body, headers=key)
        assert (refused.status_code, refused.json()["type"]) == (422, "idempotency-key-reused")
    assert_complete(await api.follow(told[0].json()["task_id"]), "failed")


async def test_a_bulk_replay_that_is_sent_again_runs_no_task_twice(api: Api) -> None:
    failed = {await api.submit("stock.fail", str(number), queue="stock", tags=["bulk-once"]) for number in range(3)}
    for task_id in failed:
        await api.follow(task_id)
    body, key = {"filter": {"tag": ["bulk-once"]}}, {"Idempotency-Key": "bulk-1"}
    first = await api.http.post("/v1/tasks/replay", json=body, headers=key)
    for task in first.json()["tasks"]:
        assert_complete(await api.follow(task["replayed_as"]), "failed")
    again = await api.http.post("/v1/tasks/replay", json=body, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (await bulk(api, "replay", filter=body["filter"], dry_run=True))["matched"] == 6
    other = await api.http.post("/v1/tasks/replay", json={**body, "limit": 1}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")
