import json
from typing import Any

import pytest
from fastapi import FastAPI

from app.errors import MAX_ECHO, MAX_FIELD_ERRORS
from bridge import errors
from bridge.errors import (
    BrokerUnavailable,
    ClientClosed,
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    PayloadGone,
    PetioleError,
    PublisherBusy,
    QueueNotFound,
    QueuePaused,
    QueueSaturated,
    TaskEnded,
    TaskExpired,
    TaskNotFound,
    UnreadableBytes,
)
from tests.unit.app.edge import JSON, ToldClient, asked
from tests.unit.bridge.updates import TASK_ID

PATH = f"/v1/tasks/{TASK_ID}"
TABLE: list[tuple[PetioleError, int, str, str | None]] = [
    (InvalidMessage("/args/0", "is bad"), 422, "payload-invalid", None),
    (TaskNotFound("a1"), 404, "task-not-found", None),
    (TaskExpired("a1"), 410, "task-expired", None),
    (DuplicateTask("a1"), 409, "task-exists", None),
    (IdempotencyKeyReused("k1"), 422, "idempotency-key-reused", None),
    (HeldBack("a1"), 409, "held-back", None),
    (TaskEnded("a1", "succeeded"), 409, "task-ended", None),
    (PayloadGone("a1", "succeeded"), 409, "payload-gone", None),
    (QueueNotFound("mail"), 404, "queue-not-found", None),
    (QueuePaused("mail"), 409, "queue-paused", None),
    (QueueSaturated("mail", 10), 503, "queue-saturated", "5"),
    (PublisherBusy(10, retry_after=1.5), 503, "queue-saturated", "2"),
    (BrokerUnavailable("refused", retry_after=0.1), 503, "broker-unavailable", "1"),
    (
        ClientClosed("This process is stopping. Try again, at another replica if there is one."),
        503,
        "broker-unavailable",
        "1",
    ),
    (UnreadableBytes("not a record: b'x'"), 500, "stored-data-unreadable", None),
]
ELSEWHERE = {"InvalidSettings", "SubscriberTooSlow", "TaskFailed", "TaskCancelled", "CallsBrokeOff"}
ELSEWHERE |= {"InvalidOwner", "ApiKeyNotFound", "NotACall", "WrongLoop"}
"""Raised before there is a service, within a stream, which ends, by awaiting a result or submitting many, which no
route does in that way, by calls that no request can ask for, also from another event loop, of which a service has one,
and by making and revoking keys, which only the `petiole` command does."""


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"), [pytest.param(*row, id=type(row[0]).__name__) for row in TABLE]
)
async def test_an_error_of_the_bridge_is_a_problem_document_by_one_table(
    app: FastAPI, error: PetioleError, status: int, kind: str, retry_after: str | None
) -> None:
    answer = await asked(app, ToldClient(fails=error), "GET", PATH)
    problem = answer.json()

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert list(problem)[:5] == ["type", "title", "status", "detail", "instance"]
    assert (problem["type"], problem["status"], problem["instance"]) == (kind, status, PATH)
    assert problem["title"] == kind.replace("-", " ").capitalize()
    if not isinstance(error, InvalidMessage):
        assert problem["detail"] == str(error)


def test_every_error_of_the_bridge_has_its_place_in_that_table() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PetioleError)}
    leaves = {kind for kind in kinds if not any(other is not kind and issubclass(other, kind) for other in kinds)}
    assert {kind.__name__ for kind in leaves} - ELSEWHERE <= {type(error).__name__ for error, *_ in TABLE}


async def test_a_message_that_must_not_reach_the_wire_is_refused_by_field(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=InvalidMessage("/args/0", "is bad")), "GET", PATH)
    assert answer.json()["errors"] == [{"pointer": "/args/0", "detail": "is bad", "in": "body"}]
    assert answer.json()["detail"] == "body /args/0: is bad"


async def test_the_only_field_of_the_first_contract_is_named_data(app: FastAPI) -> None:
    client = ToldClient(fails=InvalidMessage("/args/0", "is bad"))
    answer = await asked(app, client, "POST", "/tasks/submit", json={"data": "x"})
    assert answer.json()["errors"] == [{"pointer": "/data", "detail": "is bad", "in": "body"}]


async def test_a_task_that_has_ended_says_how(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=TaskEnded("a1", "lost")), "POST", f"{PATH}/cancel")
    assert answer.json()["task_status"] == "lost"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"task": 5}, "/task"),
        ({"task": "a", "options": {"priority": 10}}, "/options/priority"),
        ({"task": "a", "options": {"tags": ["x", 1]}}, "/options/tags/1"),
        ({"task": "a", "no/such~field": 1}, "/no~1such~0field"),
        ([], ""),
    ],
)
async def test_a_field_of_the_body_is_named_by_a_pointer(app: FastAPI, body: Any, pointer: str) -> None:
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("body", pointer)
    assert answer.json()["detail"] == f"body {pointer or 'as a whole'}: {error['detail']}"


@pytest.mark.parametrize(
    ("path", "headers", "where", "pointer"),
    [
        (f"{PATH}/history?after=-1", {}, "query", "/after"),
        (f"{PATH}/events", {"Last-Event-ID": "x"}, "header", "/Last-Event-ID"),
        ("/v1/tasks/" + "x" * 256, {}, "path", "/task_id"),
    ],
)
async def test_what_is_not_in_the_body_is_named_by_its_place(
    app: FastAPI, path: str, headers: dict[str, str], where: str, pointer: str
) -> None:
    answer = await asked(app, ToldClient(), "GET", path, headers=headers)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["in"], error["pointer"]) == (422, where, pointer)


@pytest.mark.parametrize("name", ["x" * 1_000, "~" * 1_000, "/" * 1_000, "x~" * 500])
async def test_a_long_pointer_is_cut_and_stays_a_pointer(app: FastAPI, name: str) -> None:
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks", json={"task": "a", name: 1})
    (error,) = answer.json()["errors"]
    whole = "/" + name.replace("~", "~0").replace("/", "~1")
    assert whole.startswith(error["pointer"])
    assert MAX_ECHO - 1 <= len(error["pointer"]) <= MAX_ECHO
    assert not error["pointer"].endswith("~")


async def test_a_long_pointer_of_the_bridge_is_cut_too(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=InvalidMessage("/kwargs/" + "~0" * 200, "is bad")), "GET", PATH)
    assert answer.json()["errors"][0]["pointer"] == "/kwargs/" + "~0" * 96


async def test_an_answer_names_no_more_fields_than_anybody_reads(app: FastAPI) -> None:
    body = json.dumps({"task": "a", **{f"k{number}": 1 for number in range(300)}})
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks", content=body, headers=JSON)
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/k{at}" for at in range(MAX_FIELD_ERRORS)]


async def test_an_unexpected_error_tells_the_client_nothing_of_the_inside(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=RuntimeError("secret")), "GET", PATH)
    assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", "/nowhere", 404, "not-found"), ("PUT", "/tasks/submit", 405, "method-not-allowed")],
)
async def test_a_path_or_method_that_is_not_there_is_a_problem_document_too(
    app: FastAPI, method: str, path: str, status: int, kind: str
) -> None:
    answer = await asked(app, ToldClient(), method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["type"], answer.json()["instance"]) == (kind, path)
    assert status != 405 or answer.headers["allow"] == "POST"
