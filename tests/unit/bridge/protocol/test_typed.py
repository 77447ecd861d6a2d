import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from bridge.protocol.typed import from_typed, to_typed
from bridge.protocol.values import check_json

VALUES = [
    datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC),
    datetime(2026, 1, 31),
    date(2026, 1, 31),
    time(12, 30, 15, 7),
    Decimal("1.50"),
    Decimal("NaN"),
    UUID("b0952c57-0954-44c8-a86e-b093d193ab4b"),
    b"text",
    b"\xff\x00",
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_went(value: object) -> None:
    check_json([value], "/args")
    text = json.dumps({"a": [value]}, default=to_typed)

    back = from_typed(json.loads(text))["a"][0]

    assert (type(back), str(back)) == (type(value), str(value))


def test_text_that_is_not_utf8_goes_as_base64() -> None:
    assert to_typed(b"\xff") == {"__type__": "base64", "__value__": "/w=="}
    assert to_typed(b"abc") == {"__type__": "bytes", "__value__": "abc"}


def test_a_type_that_no_worker_knows_is_not_written() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        to_typed({1})


@pytest.mark.parametrize(
    "value",
    [
        {"__type__": "exploit", "__value__": 1},
        {"__type__": "datetime", "__value__": "soon"},
        {"__type__": "decimal", "__value__": "much"},
        {"__type__": "uuid", "__value__": {}},
        {"__type__": "bytes", "__value__": 5},
        {"__type__": 5, "__value__": 5},
        {"__type__": "date", "__value__": "2026-01-31", "more": 1},
    ],
)
def test_what_is_not_understood_stays_as_it_stands(value: object) -> None:
    assert from_typed([value]) == [value]
