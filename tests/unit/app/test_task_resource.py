"""A task as it is told, at each stage of its life, and its result."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from app.schemas import POLL_AFTER_MS, TaskResource
from bridge.protocol.result import TaskMeta
from bridge.protocol.state import Status
from tests.unit.app.edge import ToldClient, asked, record
from tests.unit.bridge.updates import TASK_ID, last_update, update

T = 1_769_860_800_000
PATH = f"/v1/tasks/{TASK_ID}"
ERROR = {"type": "ValueError", "message": "oops", "traceback": "Traceback …"}
ENDED = {"celery_state": "SUCCESS", "status": Status.SUCCEEDED, "finished_at": T + 4}


def told(**fields: Any) -> dict[str, Any]:
    """The resource of a task with this record, as JSON."""
    resource: dict[str, Any] = json.loads(TaskResource.of(record(**fields), T).model_dump_json())
    return resource


def test_a_task_has_every_field_at_every_stage() -> None:
    submitted = told(status=Status.SUBMITTED, celery_state="PENDING", seq=1, task="tasks.add", submitted_at=T)
    assert submitted == {
        "task_id": TASK_ID,
        "task": "tasks.add",
        "status": "submitted",
        "celery_state": "PENDING",
        "attempt": 1,
        "queue": None,
        "priority": 0,
        "tags": [],
        "batch_id": None,
        "replay_of": None,
        "progress": None,
        "submitted_at": "2026-01-31T12:00:00.000Z",
        "received_at": None,
        "started_at": None,
        "finished_at": None,
        "eta": None,
        "next_retry_at": None,
        "worker": None,
        "cancel_requested": False,
        "cancel_reason": None,
        "result": None,
        "result_ref": None,
        "error": None,
        "seq": 1,
        "expires_at": None,
        "poll_after_ms": POLL_AFTER_MS,
        "links": {"self": PATH, **{part: f"{PATH}/{part}" for part in ("events", "history", "result", "cancel")}},
    }
    assert told(**ENDED, last=last_update(3)).keys() == submitted.keys()


def test_times_are_utc_with_milliseconds() -> None:
    task = told(submitted_at=T, received_at=T + 1, started_at=T + 2, finished_at=T + 3, life_left_ms=60_000)
    times = [task[name] for name in ("submitted_at", "received_at", "started_at", "finished_at", "expires_at")]
    noon = "2026-01-31T12:00:00."
    assert times == [f"{noon}000Z", f"{noon}001Z", f"{noon}002Z", f"{noon}003Z", "2026-01-31T12:01:00.000Z"]


@pytest.mark.parametrize(
    ("status", "attempt", "retries"),
    [
        (Status.SCHEDULED, 1, False),
        (Status.RUNNING, 1, False),
        (Status.RETRYING, 1, False),
        (Status.SCHEDULED, 2, True),
        (Status.RUNNING, 2, False),
        (Status.RETRYING, 2, False),
        (Status.SUCCEEDED, 2, False),
    ],
)
def test_the_time_of_the_next_attempt_is_told_while_the_task_waits_for_it(
    status: Status, attempt: int, retries: bool
) -> None:
    task = told(status=status, attempt=attempt, eta=T)
    assert task["eta"] == "2026-01-31T12:00:00.000Z"
    assert task["next_retry_at"] == (task["eta"] if retries else None)


def test_a_task_that_succeeded_has_its_result_and_no_next_poll() -> None:
    task = told(**ENDED, last=last_update(3))
    assert (task["result"], task["result_ref"], task["error"], task["poll_after_ms"]) == (5, None, None, None)


def test_a_large_result_is_told_by_its_place() -> None:
    task = told(**ENDED, last=update(3, "succeeded", result_ref=f"{PATH}/result", final=True))
    assert (task["result"], task["result_ref"]) == (None, f"{PATH}/result")


def test_a_task_that_failed_says_why() -> None:
    task = told(status=Status.FAILED, last=update(3, "failed", error=ERROR, final=True))
    assert (task["error"], task["result"], task["poll_after_ms"]) == (ERROR, None, None)


def test_the_error_of_an_attempt_that_is_tried_again_is_not_the_end_of_the_task() -> None:
    task = told(status=Status.RETRYING, last=update(3, "retrying", error={"type": "E", "message": "x"}))
    assert (task["error"], task["poll_after_ms"]) == (None, POLL_AFTER_MS)


@pytest.mark.parametrize("reason", ["", "wrong file"])
def test_a_task_that_somebody_wants_to_end_says_so(reason: str) -> None:
    task = told(cancel_reason=reason)
    assert (task["cancel_requested"], task["cancel_reason"]) == (True, reason)


@pytest.mark.parametrize(
    "progress",
    [
        {"current": 40, "total": 100, "message": "page 4"},
        {"current": 0.5},
        {"current": "half", "total": None, "message": {"pages": [1]}},
        {"current": 10**400},
        {"state": "UPLOADING", "self": 1, "model_config": 2},
    ],
)
def test_progress_is_told_as_the_task_said_it(progress: dict[str, Any]) -> None:
    shown = told(progress=progress)["progress"]
    assert {key: shown[key] for key in progress} == progress
    assert shown.keys() == {"current", "total", "message"} | progress.keys()


def test_the_tags_and_the_worker_are_told() -> None:
    task = told(tags=("user:42",), worker="celery@w1", queue="mail", priority=5)
    assert (task["tags"], task["worker"], task["queue"], task["priority"]) == (["user:42"], "celery@w1", "mail", 5)


async def test_a_result_that_is_not_there_yet_is_asked_for_later(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "GET", f"{PATH}/result")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
    assert (answer.headers["location"], answer.headers["link"]) == (PATH, f'<{PATH}/events>; rel="monitor"')
    assert answer.json()["status"] == "running"


async def test_who_cancels_a_task_is_told_where_its_end_shows(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "POST", f"{PATH}/cancel")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
    assert (answer.headers["location"], answer.headers["link"]) == (PATH, f'<{PATH}/events>; rel="monitor"')


@pytest.mark.parametrize(("method", "part"), [("get", "result"), ("post", "cancel")])
def test_the_headers_of_a_task_that_has_not_ended_are_described(app: FastAPI, method: str, part: str) -> None:
    answer = app.openapi()["paths"]["/v1/tasks/{task_id}/" + part][method]["responses"]["202"]
    assert answer["headers"].keys() >= {"Location", "Link", "Retry-After"}


async def test_a_result_is_answered_from_the_last_update(app: FastAPI) -> None:
    client = ToldClient(record=record(**ENDED, last=last_update(3)))
    answer = await asked(app, client, "GET", f"{PATH}/result")
    assert (answer.status_code, answer.json()) == (200, {"task_id": TASK_ID, "status": "succeeded", "result": 5})


async def test_a_task_without_a_result_is_no_error_of_the_server(app: FastAPI) -> None:
    client = ToldClient(record=record(status=Status.FAILED, last=update(3, "failed", error=ERROR, final=True)))
    problem = (await asked(app, client, "GET", f"{PATH}/result")).json()
    assert (problem["status"], problem["type"], problem["task_status"]) == (409, "task-failed", "failed")
    assert problem["error"] == ERROR


def elsewhere(result: object) -> ToldClient:
    """A client whose task ended with a result that stands in the result backend alone."""
    last = update(3, "succeeded", result_ref=f"{PATH}/result", final=True)
    meta = TaskMeta(task_id=TASK_ID, state="SUCCESS", result=result, traceback=None, name="a", worker="w1")
    return ToldClient(record=record(**ENDED, last=last), result=meta)


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ("x" * 100_000, "x" * 100_000),
        ([1, float("nan"), float("inf")], [1, None, None]),
        ("half of a pair: \ud800", "half of a pair: ?"),
        (json.loads("[" * 300 + "]" * 300), json.loads("[" * 300 + "]" * 300)),
    ],
    ids=["large", "not finite", "half of a surrogate pair", "nested"],
)
async def test_a_result_of_any_kind_is_answered_from_the_backend(app: FastAPI, result: object, shown: object) -> None:
    answer = await asked(app, elsewhere(result), "GET", f"{PATH}/result")
    assert answer.status_code == 200, answer.text[:200]
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"task_id": TASK_ID, "status": "succeeded", "result": shown}


async def test_a_result_that_the_backend_does_not_keep_has_gone(app: FastAPI) -> None:
    client = elsewhere(None)
    client.told["result"] = None
    problem = (await asked(app, client, "GET", f"{PATH}/result")).json()
    assert (problem["status"], problem["type"]) == (410, "task-expired")
