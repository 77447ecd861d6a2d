from typing import Any

import pytest
from fastapi import FastAPI

from bridge import TaskRecord
from bridge.access.api_keys import Scope
from bridge.errors import TaskNotFound
from bridge.protocol.state import Status
from tests.unit.app.edge import ToldClient, asked, record, requests_to
from tests.unit.app.entering import ToldKeys, guarded_edge, shown
from tests.unit.app.submits import SUBMITS, told
from tests.unit.bridge.updates import TASK_ID, last_update

KEY = {"Idempotency-Key": "order-17"}
ENDED = record(
    seq=2,
    status=Status.SUCCEEDED,
    celery_state="SUCCESS",
    last=last_update(2),
    submitted_at=1_769_860_800_000,
)


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_every_submit_takes_a_key(app: FastAPI, path: str, body: Any) -> None:
    client = told()
    answer = await asked(app, client, "POST", path, json=body, headers=KEY)

    assert answer.status_code == 202
    assert "idempotency-replayed" not in answer.headers
    assert [options.get("idempotency_key") for *_, options in client.submitted] == ["order-17"]


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_that_came_before_answers_the_first_task(app: FastAPI, path: str, body: Any) -> None:
    answer = await asked(app, told(replayed=True), "POST", path, json=body, headers=KEY)

    assert (answer.status_code, answer.json()["task_id"]) == (202, TASK_ID)
    assert answer.headers["idempotency-replayed"] == "true"
    assert answer.headers["location"] == f"/v1/tasks/{TASK_ID}"


@pytest.mark.parametrize(("path", "body"), SUBMITS[1:])
async def test_a_submit_that_came_before_is_told_what_has_become_of_its_task(
    app: FastAPI, path: str, body: Any
) -> None:
    answer = await asked(app, told(replayed=True, record=ENDED), "POST", path, json=body, headers=KEY)
    task = answer.json()
    assert (answer.status_code, task["status"], task["seq"], task["result"]) == (202, "succeeded", 2, 5)
    assert task["submitted_at"] == "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_that_came_before_waits_for_nothing_that_has_ended(app: FastAPI, path: str, body: Any) -> None:
    headers = {**KEY, "Prefer": "wait=60"}
    answer = await asked(app, told(replayed=True, record=ENDED), "POST", path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["result"]) == (200, 5)


async def test_of_a_task_that_was_there_before_no_time_is_invented(app: FastAPI) -> None:
    class Forgetful(ToldClient):
        async def record(self, task_id: str) -> TaskRecord:
            raise TaskNotFound(task_id)

    answer = await asked(app, Forgetful(replayed=True), "POST", "/v1/tasks", json={"task": "a"}, headers=KEY)
    task = answer.json()
    assert (answer.status_code, task["task_id"], task["submitted_at"], task["eta"]) == (202, TASK_ID, None, None)


@pytest.mark.parametrize(("scopes", "status"), [([Scope.SUBMIT], "submitted"), ([Scope.ADMIN], "succeeded")])
async def test_what_has_become_of_a_task_is_told_to_who_may_read(
    app: FastAPI, scopes: list[Scope], status: str
) -> None:
    keys = ToldKeys()
    keys.add(*scopes)
    async with requests_to(app, guarded_edge(keys, client=told(replayed=True, record=ENDED))) as http:
        answer = await http.post("/v1/tasks", json={"task": "tasks.add"}, headers={**shown(), **KEY})
    assert (answer.status_code, answer.json()["status"]) == (202, status)
    assert (answer.json()["result"] is None) is (status == "submitted")


MORE = [("/v1/batches", {"items": [{"task": "a"}]}), ("/v1/workflows", {"chain": [{"task": "a"}]})]


@pytest.mark.parametrize(("path", "body"), [*SUBMITS, *MORE])
@pytest.mark.parametrize("key", [b"", b"two words", b"\xc3\xa9", b"x" * 256])
async def test_a_key_that_is_none_is_named_by_its_header(app: FastAPI, path: str, body: Any, key: bytes) -> None:
    client = told()
    answer = await asked(app, client, "POST", path, json=body, headers={b"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")
    (error,) = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("header", "/Idempotency-Key")
    assert (client.submitted, client.batches, client.workflows) == ([], [], [])


async def test_without_a_key_nothing_is_said_of_one(app: FastAPI) -> None:
    client = told()
    for path, body in SUBMITS:
        await asked(app, client, "POST", path, json=body)
    assert not any("idempotency_key" in options for *_, options in client.submitted)
