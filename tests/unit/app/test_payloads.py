"""A payload is held against the schema of its type, and each field that does not fit is named."""

import json
import socket
from typing import Any

import pytest

from app.errors import MAX_ECHO, MAX_FIELD_ERRORS
from app.payloads import MAX_DETAIL, complaints, has_usable_schema
from bridge.protocol.catalog import TaskType


def typed(schema: Any) -> TaskType:
    return TaskType(name="a", announced=True, schema_json=None if schema is None else json.dumps(schema))


SCHEMA = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 1},
        "when": {"type": "string", "format": "date-time"},
        "at": {"type": "string", "format": "time"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "item": {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]},
        "a/b~c": {"type": "string"},
        "many": {"type": "array", "items": {"enum": ["x", "y"]}},
    },
    "required": ["count"],
    "additionalProperties": False,
    "$defs": {"Item": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
}


@pytest.mark.parametrize(
    "payload",
    [
        {"count": 1},
        {"count": 10**30, "maybe": None, "item": {"n": 1}, "many": ["x", "y"]},
        {"count": 1, "when": "2026-01-31T12:00:00Z"},
        {"count": 1, "when": "2026-01-31T12:00:00", "at": "12:00"},  # as pydantic and Python's own readers take it
    ],
    ids=repr,
)
def test_a_payload_that_fits_is_not_complained_of(payload: Any) -> None:
    assert complaints(typed(SCHEMA), payload) == []


@pytest.mark.parametrize(
    ("payload", "pointer", "detail"),
    [
        ({}, "/count", "is required"),
        ({"count": 0}, "/count", "is less than the minimum of 1"),
        ({"count": "1"}, "/count", 'is not of type "integer"'),
        ({"count": 1, "other": 2}, "/other", "is not known here"),
        ({"count": 1, "when": "tomorrow"}, "/when", 'is not a "date-time"'),
        ({"count": 1, "at": "noon"}, "/at", 'is not a "time"'),
        ({"count": 1, "a/b~c": 1}, "/a~1b~0c", 'is not of type "string"'),
        ({"count": 1, "many": ["x", "z"]}, "/many/1", 'is not one of "x" or "y"'),
        ({"count": 1, "maybe": "x"}, "/maybe", 'is not of type "integer"; is not of type "null"'),
        ({"count": 1, "item": {"n": "x"}}, "/item/n", 'is not of type "integer"'),
        ({"count": 1, "item": {}}, "/item/n", "is required"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_does_not_fit_is_named(payload: Any, pointer: str, detail: str) -> None:
    assert complaints(typed(SCHEMA), payload) == [{"pointer": pointer, "detail": detail, "in": "body"}]


def test_every_field_that_does_not_fit_is_named_up_to_a_limit() -> None:
    pointers = {one["pointer"] for one in complaints(typed(SCHEMA), {"a": 1, "b": 2, "when": 3})}
    assert pointers == {"/count", "/a", "/b", "/when"}
    many = {str(number): 1 for number in range(1_000)}
    assert len(complaints(typed(SCHEMA), many)) == MAX_FIELD_ERRORS


def test_complaints_repeat_no_value_and_are_short() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [f"choice {n}" for n in range(1_000)]}}}
    (one,) = complaints(typed(schema), {"a": "secret"})
    assert "secret" not in one["detail"]
    assert len(one["detail"]) <= MAX_DETAIL
    (other,) = complaints(typed(SCHEMA), {"count": 1, "~" * 1_000: 1})
    assert len(other["pointer"]) <= MAX_ECHO
    assert other["pointer"].replace("~0", "") == "/"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objct"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "#/$defs/Nowhere"},
        {"properties": {"a": {"pattern": "(?=x)"}}},
    ],
    ids=repr,
)
def test_a_schema_that_cannot_be_used_checks_nothing_and_asks_nobody(
    schema: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert not has_usable_schema(typed(schema))
    assert complaints(typed(schema), {"a": 1}) == []
    assert "cannot be used" in caplog.text


def test_a_schema_that_is_elsewhere_is_not_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        assert not has_usable_schema(typed({"$ref": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/schema"}))
        with pytest.raises(BlockingIOError):
            elsewhere.accept()  # nobody has come


def test_a_type_without_a_schema_takes_anything() -> None:
    assert not has_usable_schema(typed(None))
    assert complaints(typed(None), {"a": object}) == []


def test_a_payload_as_deep_as_json_is_read_is_checked() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    (one,) = complaints(typed({"properties": {"a": {"type": "integer"}}}), {"a": deep})
    assert one["detail"] == "is wrong somewhere, nested too deep to be named"
    assert complaints(typed({"properties": {"a": {"type": "array"}}}), {"a": deep}) == []
