from typing import Any

import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from app.trace_context import trace_headers
from tests.unit.app import submits
from tests.unit.app.edge import ToldClient, asked
from tests.unit.app.submits import told

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_trace_of_a_request_goes_on_in_its_task() -> None:
    said = {"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "user=42", "x-other": "1"}
    assert trace_headers(Headers(said)) == {"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "user=42"}


def test_members_of_a_list_may_come_in_several_headers() -> None:
    raw = [(b"traceparent", PARENT.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert trace_headers(Headers(raw=raw))["tracestate"] == "a=1,b=2"


@pytest.mark.parametrize("parent", ["", "00-x-y-01", PARENT.upper(), PARENT + "\x00", f"{PARENT}-{'x' * 300}"])
def test_a_trace_that_is_not_valid_is_left_out_with_its_state(parent: str) -> None:
    assert trace_headers(Headers({"traceparent": parent, "tracestate": "a=1"})) == {}


@pytest.mark.parametrize("baggage", ["x" * 8_193, "a=\x07", "a=ü"])
def test_baggage_that_cannot_go_by_is_left_out(baggage: str) -> None:
    raw = [(b"baggage", baggage.encode("latin-1"))]
    assert trace_headers(Headers(raw=raw)) == {}


def test_a_request_without_a_trace_makes_no_headers() -> None:
    assert trace_headers(Headers({})) == {}


SUBMITS = [
    *submits.SUBMITS,
    ("/v1/batches", {"items": [{"task": "tasks.add"}]}),
    ("/v1/workflows", {"task": "tasks.add"}),
]


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_every_submit_carries_on_the_trace_of_its_request(app: FastAPI, path: str, body: Any) -> None:
    client = told()
    answer = await asked(app, client, "POST", path, json=body, headers={"traceparent": PARENT})

    assert answer.status_code == 202
    assert task_headers(client) == [{"traceparent": PARENT}]


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_without_a_trace_a_task_has_no_headers_of_it(app: FastAPI, path: str, body: Any) -> None:
    client = told()
    await asked(app, client, "POST", path, json=body)
    assert task_headers(client) == [None]


OWN = {"task": "tasks.add", "options": {"headers": {"tracestate": "mine=1", "x": 1}}}


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/tasks", OWN), ("/v1/batches", {"items": [OWN]}), ("/v1/workflows", OWN)]
)
async def test_headers_that_the_body_names_stand_before_those_of_the_request(
    app: FastAPI, path: str, body: Any
) -> None:
    client = told()
    await asked(app, client, "POST", path, json=body, headers={"traceparent": PARENT, "tracestate": "theirs=1"})
    assert task_headers(client) == [{"traceparent": PARENT, "tracestate": "mine=1", "x": 1}]


def task_headers(client: ToldClient) -> list[Any]:
    """Of each task that was submitted, in whatever way."""
    one = [options for *_, options in client.submitted]
    many = [call.options for _, calls in client.batches for call in calls]
    canvases = [canvas.options for canvas, *_ in client.workflows]
    return [options.get("headers") for options in [*one, *many, *canvases]]
