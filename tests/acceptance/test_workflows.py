"""Workflows over HTTP, on a stock worker."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.api import ACCEPTED, Api, assert_complete
from tests.acceptance.installation import Installation
from tests.acceptance.pace import Pace

pytestmark = pytest.mark.asyncio(loop_scope="package")


TRACES = [{}, {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}]


def task(name: str, *args: object, **more: object) -> dict[str, Any]:
    return {"task": f"stock.{name}", "args": list(args), "options": {"queue": "stock"}, **more}


async def started(api: Api, workflow: object, **headers: str) -> dict[str, Any]:
    answer = await api.http.post("/v1/workflows", json=workflow, headers=headers)
    assert answer.status_code in (200, ACCEPTED), answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_chord_has_the_results_of_its_header_in_its_body(api: Api) -> None:
    header = [task("add", number, number) for number in (1, 2, 3)]
    told = await started(api, {"chord": {"header": header, "body": task("echo")}})
    before, body = told["parts"]["steps"]
    assert (await api.task(body["task_id"]))["batch_id"] == told["workflow_id"]  # it is known before its turn
    assert_complete(await api.follow(body["task_id"]))
    assert (await api.task(told["task_id"]))["result"] == [2, 4, 6]
    for member, result in zip(before["members"], (2, 4, 6), strict=True):
        assert_complete(await api.follow(member["task_id"]))
        assert (await api.task(member["task_id"]))["result"] == result
    listed = (await api.http.get(told["links"]["tasks"])).json()["tasks"]
    assert {one["task_id"] for one in listed} == {body["task_id"], *(one["task_id"] for one in before["members"])}


async def test_the_events_of_a_workflow_begin_with_the_first_update_of_each_task(api: Api) -> None:
    told = await started(api, {"chain": [task("add", 1, 2), task("add", 3), task("add", 4)]}, Prefer="wait=30")
    assert told["task"]["result"] == 10
    answer = await api.http.get(told["links"]["events"], headers={"Accept": "application/json"})
    assert not answer.json()["reset"]
    updates = answer.json()["updates"]
    for step in told["parts"]["steps"]:
        statuses = [one["status"] for one in updates if one["task_id"] == step["task_id"]]
        assert (statuses[0], statuses[-1]) == ("submitted", "succeeded")


async def test_a_workflow_is_found_by_the_tags_of_its_tasks_and_by_their_queue(api: Api) -> None:
    add = {"task": "stock.add", "options": {"queue": "stock", "priority": 3, "tags": ["sums"], "stamps": {"of": 1}}}
    echo = {"task": "stock.echo", "options": {"queue": "stock", "priority": 6, "tags": ["sums", "last"]}}
    told = await started(api, {"chain": [{**add, "args": [1, 2]}, {**add, "args": [3]}, echo]})
    before = (await api.http.get("/v1/tasks", params={"tag": "last", "queue": "stock"})).json()["tasks"]
    assert [(one["task_id"], one["priority"]) for one in before] == [(told["task_id"], 6)]
    assert_complete(await api.follow(told["task_id"]))
    params = {"tag": "sums", "queue": "stock", "status": "succeeded"}
    listed = (await api.http.get("/v1/tasks", params=params)).json()["tasks"]
    assert {one["task_id"]: one["priority"] for one in listed} == dict(zip(_in_order(told), (3, 3, 6), strict=True))
    after = told["links"]["events"].rpartition("after=")[2]
    headers = {"Accept": "application/json"}
    updates = (await api.http.get("/v1/events", params={"tag": "sums", "after": after}, headers=headers)).json()
    assert {one["task_id"] for one in updates["updates"]} == set(_in_order(told))


def _in_order(told: dict[str, Any]) -> list[str]:
    return [step["task_id"] for step in told["parts"]["steps"]]


async def test_a_workflow_that_is_sent_again_with_its_key_runs_once(api: Api, shared: Installation) -> None:
    workflow = {"chain": [task("add", 1, 2), {"group": [task("add", 1), task("add", 2)]}, task("echo")]}
    key = {"Idempotency-Key": f"workflow-{uuid4()}"}
    first, *others = await asyncio.gather(
        *(api.http.post("/v1/workflows", json=workflow, headers={**key, **trace}) for trace in TRACES * 25)
    )
    told = first.json()
    replayed = [answer.headers.get("idempotency-replayed") for answer in (first, *others)]
    assert (replayed.count("true"), replayed.count(None)) == (49, 1)
    assert_complete(await api.follow(told["task_id"]))
    again = await api.http.post("/v1/workflows", json=workflow, headers={**key, "Prefer": "wait=5"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    for answer in (*others, again):
        same = {"workflow_id", "task_id", "parts", "links"}
        assert {name: answer.json()[name] for name in same} == {name: told[name] for name in same}
    assert again.json()["task"]["result"] == [4, 5]
    listed = (await api.http.get(told["links"]["tasks"])).json()["tasks"]
    assert len(listed) == 4
    other = await api.http.post("/v1/workflows", json=task("echo", 1), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


async def test_steps_nest_and_links_run(api: Api) -> None:
    doubled = {"group": [task("add", 1), {"chain": [task("add", 2), task("add", 10)]}]}
    told = await started(
        api, {"chain": [task("add", 0, 0), doubled, task("echo", link=[task("echo")])]}, Prefer="wait=30"
    )
    assert told["task"]["result"] == [1, 12]


async def test_steps_after_one_that_fails_have_failed_too(api: Api) -> None:
    told = await started(api, {"chain": [task("fail", "burnt"), task("echo"), task("echo")]})
    for step in told["parts"]["steps"]:
        assert_complete(await api.follow(step["task_id"]), "failed")
        assert (await api.task(step["task_id"]))["error"]["message"] == "burnt"


async def test_a_group_after_a_task_that_fails_is_cancelled_though_no_worker_tells_of_it(api: Api) -> None:
    told = await started(api, {"chain": [task("fail", "burnt"), {"group": [task("echo"), task("echo")]}]})
    failed, group = told["parts"]["steps"]
    assert_complete(await api.follow(failed["task_id"]), "failed")
    for member in group["members"]:
        assert_complete(await api.follow(member["task_id"]), "cancelled")
        assert (await api.task(member["task_id"]))["error"]["type"] == "NeverStarted"


async def test_the_body_of_a_chord_whose_header_fails_is_told_by_the_worker(api: Api) -> None:
    told = await started(api, {"chord": {"header": [task("add", 1, 1), task("fail", "burnt")], "body": task("echo")}})
    assert_complete(await api.follow(told["task_id"]), "failed")
    assert (await api.task(told["task_id"]))["error"]["type"] == "ChordError"


async def test_a_later_step_can_be_cancelled_before_its_turn(api: Api, shared: Installation) -> None:
    told = await started(api, {"chain": [task("paced", 1), task("echo")]})
    first, second = (step["task_id"] for step in told["parts"]["steps"])
    pace = Pace.of(shared, first)
    await pace.runs()
    assert (await api.cancel(second)).json()["outcome"] == "requested"
    await pace.step()
    assert_complete(await api.follow(first))
    assert_complete(await api.follow(second), "cancelled")
