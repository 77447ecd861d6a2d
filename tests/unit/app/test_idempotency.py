from typing import Any

import pytest
from fastapi import FastAPI

from tests.unit.app.edge import asked
from tests.unit.app.submits import SUBMITS, told
from tests.unit.bridge.updates import TASK_ID

KEY = {"Idempotency-Key": "order-17"}


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


async def test_of_a_task_that_was_there_before_no_time_is_invented(app: FastAPI) -> None:
    first = await asked(app, told(), "POST", "/v1/tasks", json={"task": "tasks.add"}, headers=KEY)
    again = await asked(app, told(replayed=True), "POST", "/v1/tasks", json={"task": "tasks.add"}, headers=KEY)
    assert first.json()["submitted_at"] is not None
    assert again.json()["submitted_at"] is None


@pytest.mark.parametrize(("path", "body"), [*SUBMITS, ("/v1/batches", {"items": [{"task": "a"}]})])
@pytest.mark.parametrize("key", [b"", b"two words", b"\xc3\xa9", b"x" * 256])
async def test_a_key_that_is_none_is_named_by_its_header(app: FastAPI, path: str, body: Any, key: bytes) -> None:
    client = told()
    answer = await asked(app, client, "POST", path, json=body, headers={b"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")
    (error,) = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("header", "/Idempotency-Key")
    assert (client.submitted, client.batches) == ([], [])


async def test_without_a_key_nothing_is_said_of_one(app: FastAPI) -> None:
    client = told()
    for path, body in SUBMITS:
        await asked(app, client, "POST", path, json=body)
    assert not any("idempotency_key" in options for *_, options in client.submitted)
