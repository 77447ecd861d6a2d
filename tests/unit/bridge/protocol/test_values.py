import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.values import (
    MAX_DEPTH,
    check_arguments,
    check_aware,
    check_json,
    check_name,
    check_task_id,
)
from tests.nesting import nested


class Level(IntEnum):
    HIGH = 9


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -(10**4_000),
        1.5,
        "",
        "é😀\x00",
        [],
        (),
        {},
        [1, (2, {"a/b~c": "d"})],
        {"__type__": "datetime"},
        {"__type__": 1, "__value__": 2, "more": 3},
        nested(MAX_DEPTH),
    ],
)
def test_plain_json_is_let_through(value: object) -> None:
    check_json(value, "/args")


@pytest.mark.parametrize(
    ("value", "pointer", "reason"),
    [
        (math.nan, "/args", "nan is not JSON"),
        ([1, math.inf], "/args/1", "inf is not JSON"),
        pytest.param(10**4_301, "/args", "4,300 digits", id="an integer of 4302 digits"),
        ("\ud800", "/args", "half of a surrogate pair"),
        ({"\udfff": 1}, "/args", "half of a surrogate pair"),
        ({"a": ["ok", "x\ud834"]}, "/args/a/1", "half of a surrogate pair"),
        ({"a": {1: 2}}, "/args/a", "a key that is a int; keys must be texts"),
        ({"a/b~c": {None: 2}}, "/args/a~1b~0c", "keys must be texts"),
        ([{"__type__": "exploit", "__value__": 1}], "/args/0", "Celery reserves"),
        ({"__value__": 1, "__type__": "uuid"}, "/args", "Celery reserves"),
        ([{1, 2}], "/args/0", "is a set, which JSON does not have"),
        (bytearray(b"octets"), "/args", "is a bytearray, which JSON does not have"),
        (Decimal("sNaN"), "/args", "signalling NaN"),
        (Level.HIGH, "/args", "is a Level"),
        (MappingProxyType({}), "/args", "is a mappingproxy"),
        (nested(MAX_DEPTH + 1), "/args" + "/0" * MAX_DEPTH, "nested more than 64 deep"),
    ],
)
def test_anything_else_is_refused_where_it_stands(value: object, pointer: str, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason) as refused:
        check_json(value, "/args")
    assert refused.value.pointer == pointer


def test_a_value_that_holds_itself_is_too_deep_rather_than_endless() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidMessage, match="deep"):
        check_json(loop, "/args")


def test_a_task_is_called_with_a_list_and_an_object() -> None:
    check_arguments([1], {"a": 2})
    check_arguments((1,), MappingProxyType({"a": 2}))


@pytest.mark.parametrize(
    ("args", "kwargs", "pointer"),
    [
        ("text", {}, "/args"),
        ({}, {}, "/args"),
        ([], [["a", 1]], "/kwargs"),
        ([math.nan], {}, "/args/0"),
        ([], {"a": {1}}, "/kwargs/a"),
    ],
)
def test_a_call_of_another_shape_is_refused(args: object, kwargs: object, pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        check_arguments(args, kwargs)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("name", ["celery", "workers.tasks.add", "größe", "a" * 255])
def test_a_name_of_letters_is_a_name(name: str) -> None:
    check_name(name, "/task")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a\x00", "\x7f", "\ud800", "\u2003", "a" * 256])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        check_name(name, "/task")
    assert refused.value.pointer == "/task"


@pytest.mark.parametrize("task_id", ["1", "user:42", "A-b_c.d@e+f=", "x" * 255])
def test_an_id_is_safe_in_keys_channels_and_urls(task_id: str) -> None:
    check_task_id(task_id, "/options/task_id")


@pytest.mark.parametrize("task_id", ["", "a b", "a/b", "a*", "é", "a\n", "x" * 256])
def test_any_other_id_is_refused(task_id: str) -> None:
    with pytest.raises(InvalidMessage, match="1 to 255 characters") as refused:
        check_task_id(task_id, "/options/task_id")
    assert refused.value.pointer == "/options/task_id"


def test_a_time_without_an_offset_is_refused() -> None:
    check_aware(datetime(2026, 1, 31, tzinfo=UTC), "/options/eta")
    with pytest.raises(InvalidMessage, match="no UTC offset"):
        check_aware(datetime(2026, 1, 31), "/options/eta")


@pytest.mark.parametrize("year", [1, 1970, 3000, 9999])
def test_a_time_at_the_ends_of_the_calendar_is_refused(year: int) -> None:
    with pytest.raises(InvalidMessage, match="from 1971 to 2999"):
        check_aware(datetime(year, 1, 31, tzinfo=UTC), "/options/eta")
