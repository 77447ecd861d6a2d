from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.call import Call
from bridge.errors import InvalidMessage
from bridge.idempotency import check_key, fingerprint

AT = datetime(2026, 1, 31, tzinfo=UTC)
CALL = Call("tasks.add", [1, {"a": 1, "b": 2}], {"x": 1, "y": 2}, {"queue": "mail", "eta": AT})


@pytest.mark.parametrize(
    "same",
    [
        Call("tasks.add", (1, {"b": 2, "a": 1}), {"y": 2, "x": 1}, {"eta": AT, "queue": "mail"}),
        CALL._replace(options={**CALL.options, "idempotency_key": "k1"}),
        CALL._replace(options={**CALL.options, "priority": None, "tags": []}),
        CALL._replace(options={**CALL.options, "headers": {"traceparent": "00-1", "tracestate": "a", "baggage": "b"}}),
    ],
)
def test_a_call_that_asks_for_the_same_has_the_same_fingerprint(same: Call) -> None:
    assert fingerprint(same) == fingerprint(CALL)


@pytest.mark.parametrize(
    "other",
    [
        CALL._replace(task="tasks.mul"),
        CALL._replace(args=[1]),
        CALL._replace(args=[{"a": 1, "b": 2}, 1]),
        CALL._replace(kwargs={"x": 1, "y": 3}),
        CALL._replace(options={}),
        CALL._replace(options={**CALL.options, "headers": {"tenant": "acme"}}),
    ],
)
def test_a_call_that_asks_for_something_else_has_another_one(other: Call) -> None:
    assert fingerprint(other) != fingerprint(CALL)


def test_arguments_that_are_left_out_are_as_good_as_none() -> None:
    assert fingerprint(Call("a")) == fingerprint(Call("a", None, {})) == fingerprint(Call("a", [], None))


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, {("a", 1): 2}, {"x": {1, 2}}, "\ud800", AT])
def test_any_value_has_a_fingerprint(value: Any) -> None:
    assert len(fingerprint(Call("a", [value]))) == len(fingerprint(CALL))
    assert fingerprint(Call("a", [value])) != fingerprint(Call("a", []))


@pytest.mark.parametrize("key", ["", "x" * 301, "é", "a\nb", "\x7f"])
def test_a_key_is_printable_ascii(key: str) -> None:
    with pytest.raises(InvalidMessage, match="printable ASCII") as refused:
        check_key(key, "/options/idempotency_key")
    assert refused.value.pointer == "/options/idempotency_key"


@pytest.mark.parametrize("key", ["k", "x" * 300, "a key, with ~ all of it!"])
def test_all_other_keys_are_taken(key: str) -> None:
    check_key(key, "")
