import pytest
from starlette.datastructures import Headers

from app.trace_context import trace_headers

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
