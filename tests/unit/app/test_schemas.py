from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

from app.schemas import (
    MAX_SECONDS,
    CancelRequest,
    Signal,
    SubmitRequest,
    TaskOptions,
    TaskRequest,
    task_path,
)
from bridge import Call, SubmitOptions
from bridge.submit.idempotency import fingerprint
from tests.unit.app.edge import ToldClient, asked
from tests.unit.bridge.updates import TASK_ID

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EASTERN = NOON.astimezone(tz=datetime.fromisoformat("2026-01-31T12:00:00+05:30").tzinfo)


def refused(model: type[BaseModel], fields: Any) -> list[str]:
    """The paths of the fields that are refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    return ["/".join(map(str, error["loc"])) for error in caught.value.errors()]


def option(name: str, value: Any) -> Any:
    return getattr(TaskOptions.model_validate({name: value}), name)


@pytest.mark.parametrize("value", [True, False, "1", 1.5, 1.0, None, -1, 10, 10**40, [1]])
def test_a_priority_is_an_integer_from_0_to_9(value: object) -> None:
    assert refused(TaskOptions, {"priority": value}) == ["priority"]
    assert [option("priority", priority) for priority in (0, 9)] == [0, 9]


@pytest.mark.parametrize("name", ["countdown", "time_limit", "soft_time_limit"])
@pytest.mark.parametrize("value", [True, "1", -1, MAX_SECONDS + 1, float("nan"), float("inf"), 10**400, {}, [1]])
def test_a_duration_is_a_number_of_seconds_within_a_year(name: str, value: object) -> None:
    assert refused(TaskOptions, {name: value}) == [name]
    assert [option(name, seconds) for seconds in (1, 0.5, MAX_SECONDS, None)] == [1, 0.5, MAX_SECONDS, None]


def test_no_delay_is_a_delay_and_no_time_is_no_limit() -> None:
    assert option("countdown", 0) == 0
    assert refused(TaskOptions, {"time_limit": 0}) == ["time_limit"]
    assert refused(TaskOptions, {"time_limit": 1e-9}) == ["time_limit"]
    assert refused(TaskOptions, {"soft_time_limit": 0}) == ["soft_time_limit"]


@pytest.mark.parametrize("name", ["eta", "expires"])
@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00+00:00", NOON),
        ("2026-01-31T17:30:00+05:30", EASTERN),
        ("2026-01-31 12:00Z", NOON),
        ("2026-01-31T12:00:00.25Z", NOON + timedelta(milliseconds=250)),
    ],
)
def test_a_time_is_a_text_with_its_offset(name: str, text: str, time: datetime) -> None:
    assert option(name, text) == time


@pytest.mark.parametrize("name", ["eta", "expires"])
@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00",
        "2026-01-31",
        "2026-02-30T12:00:00Z",
        "tomorrow",
        "",
        "1900000000",
        "1900000000.5",
        "-1900000000",
        "٢٠٢٦-01-31T12:00:00Z",
        True,
        ["2026-01-31T12:00:00Z"],
        {"__type__": "datetime", "__value__": "2026-01-31T12:00:00Z"},
    ],
)
def test_a_time_without_offset_or_in_any_other_form_is_refused(name: str, value: object) -> None:
    assert refused(TaskOptions, {name: value}) == [name]


def test_an_expiry_may_be_a_number_of_seconds_and_an_eta_may_not() -> None:
    assert [option("expires", seconds) for seconds in (0, 1.5, MAX_SECONDS)] == [0, 1.5, MAX_SECONDS]
    assert refused(TaskOptions, {"eta": 60}) == ["eta"]
    for beyond in (-1, MAX_SECONDS + 1, float("nan")):
        assert refused(TaskOptions, {"expires": beyond}) == ["expires"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"queue": 5}, "queue"),
        ({"queue": "x" * 256}, "queue"),
        ({"task_id": 5}, "task_id"),
        ({"task_id": ""}, "task_id"),
        ({"task_id": "x" * 256}, "task_id"),
        ({"tags": "x"}, "tags"),
        ({"tags": None}, "tags"),
        ({"tags": [1]}, "tags/0"),
        ({"tags": ["x"] * 33}, "tags"),
        ({"delay": 1}, "delay"),
    ],
)
def test_an_option_of_another_type_or_beyond_its_limit_is_refused(fields: dict[str, Any], path: str) -> None:
    assert refused(TaskOptions, fields) == [path]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "task"),
        ({"task": ""}, "task"),
        ({"task": "x" * 256}, "task"),
        ({"task": None}, "task"),
        ({"task": "a", "args": {}}, "args"),
        ({"task": "a", "args": "12"}, "args"),
        ({"task": "a", "kwargs": [["x", 1]]}, "kwargs"),
        ({"task": "a", "options": []}, "options"),
        ({"task": "a", "kwarg": {}}, "kwarg"),
    ],
)
def test_a_task_of_another_shape_is_refused(fields: dict[str, Any], path: str) -> None:
    assert refused(TaskRequest, fields) == [path]


@pytest.mark.parametrize("value", [5, None, True, {}, ["x"]])
def test_the_payload_of_the_first_contract_is_a_text(value: object) -> None:
    assert refused(SubmitRequest, {"data": value}) == ["data"]
    assert refused(SubmitRequest, {"data": "x", "more": value}) == ["more"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"terminate": 1}, "terminate"),
        ({"terminate": "true"}, "terminate"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": None}, "reason"),
        ({"because": "x"}, "because"),
    ],
)
def test_a_cancel_of_another_shape_is_refused(fields: dict[str, Any], path: str) -> None:
    assert refused(CancelRequest, fields) == [path]


@pytest.mark.parametrize("signal", ["SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGUSR2", "TERM", "sigterm", 9, None])
def test_a_signal_that_does_not_end_a_task_is_refused(signal: object) -> None:
    assert refused(CancelRequest, {"signal": signal}) == ["signal"]


async def test_a_signal_that_ends_a_task_is_passed_on_with_the_reason(app: FastAPI) -> None:
    for signal in get_args(Signal):
        client, how = ToldClient(), {"terminate": True, "signal": signal, "reason": "wrong file"}
        answer = await asked(app, client, "POST", f"/v1/tasks/{TASK_ID}/cancel", json=how)
        assert answer.json() == {"task_id": TASK_ID, "outcome": "requested", "reason": "wrong file"}
        assert client.cancelled == [{"task_id": TASK_ID, **how}]


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
async def test_a_cancel_that_says_nothing_ends_no_process(app: FastAPI, body: bytes) -> None:
    client, headers = ToldClient(), {"Content-Type": "application/json"} if body else {}
    await asked(app, client, "POST", f"/v1/tasks/{TASK_ID}/cancel", content=body, headers=headers)
    assert client.cancelled == [{"task_id": TASK_ID, "terminate": False, "signal": "SIGTERM", "reason": ""}]


def test_the_options_are_those_of_the_bridge() -> None:
    not_over_http = {
        *("exchange", "routing_key", "serializer", "compression", "stamped_headers"),
        *("link", "link_error", "chord", "root_id", "parent_id", "group_id", "group_index"),
        *("retries", "reply_to", "correlation_id", "argsrepr", "kwargsrepr", "record"),
        "idempotency_key",  # a header
    }
    assert TaskOptions().to_bridge().keys() == SubmitOptions.__annotations__.keys() - not_over_http


@pytest.mark.parametrize("value", [True, "1", 1.5, -1, 1_001, [1]])
def test_the_most_retries_are_a_count_to_a_thousand(value: object) -> None:
    assert refused(TaskOptions, {"max_retries": value}) == ["max_retries"]
    assert [option("max_retries", most) for most in (0, 1_000, None)] == [0, 1_000, None]


def test_the_most_retries_are_a_header_beside_the_others() -> None:
    given = TaskOptions(max_retries=0, headers={"tenant": "acme"}).to_bridge()
    assert given["headers"] == {"tenant": "acme", "max_retries": 0}
    assert TaskOptions(max_retries=2).to_bridge()["headers"] == {"max_retries": 2}
    assert TaskOptions(max_retries=None).to_bridge() == TaskOptions().to_bridge()
    assert refused(TaskOptions, {"headers": {"max_retries": 2}}) == ["headers"]


def test_a_submit_that_asks_for_other_retries_is_another_one() -> None:
    calls = [Call("tasks.add", [1], {}, TaskOptions(max_retries=most).to_bridge()) for most in (None, 0, 1, 1)]
    assert [fingerprint(one) == fingerprint(other) for one, other in pairwise(calls)] == [False, False, True]


async def test_a_submit_reaches_the_bridge_as_it_was_said(app: FastAPI) -> None:
    client = ToldClient()
    options = {"queue": "mail", "priority": 3, "expires": 60, "task_id": "b2", "tags": ["user:42"]}
    body = {"task": "tasks.add", "args": [1], "kwargs": {"y": 2}, "options": options}
    await asked(app, client, "POST", "/v1/tasks", json=body)
    assert client.submitted == [("tasks.add", [1], {"y": 2}, {**TaskOptions().to_bridge(), **options})]


async def test_the_first_contract_runs_the_default_task_and_answers_two_keys(app: FastAPI) -> None:
    client = ToldClient()
    answer = await asked(app, client, "POST", "/tasks/submit", json={"data": "sample payload"})
    assert (answer.status_code, answer.json()) == (202, {"task_id": TASK_ID, "status": "submitted"})
    assert client.submitted == [("workers.tasks.heavy_task", ["sample payload"], {}, {})]
    assert answer.headers["location"] == f"/v1/tasks/{TASK_ID}"
    assert answer.headers["link"] == f'</v1/tasks/{TASK_ID}/events>; rel="monitor"'


@pytest.mark.parametrize(
    ("task_id", "path"),
    [
        ("a1", "/v1/tasks/a1"),
        ("a:b@c+d=e", "/v1/tasks/a%3Ab%40c%2Bd%3De"),
        ("../x", "/v1/tasks/..%2Fx"),
        ("a?b#c%d", "/v1/tasks/a%3Fb%23c%25d"),
        ('a">\r\n', "/v1/tasks/a%22%3E%0D%0A"),
        ("ü", "/v1/tasks/%C3%BC"),
    ],
)
def test_an_id_cannot_leave_its_place_in_a_link(task_id: str, path: str) -> None:
    assert task_path(task_id) == path
