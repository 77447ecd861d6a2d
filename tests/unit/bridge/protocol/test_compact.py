import json
import math

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.compact import compact


@pytest.mark.parametrize("value", [None, True, 10**40, 1.5, "é😀", [], {"a": [1, {"b": None}]}])
def test_what_was_parsed_is_written_again_as_the_same_json(value: object) -> None:
    text = compact(value)

    assert json.loads(text) == value
    assert text == text.strip()


def test_json_is_compact_and_keeps_its_letters() -> None:
    assert compact({"a": [1, "é"]}) == '{"a":[1,"é"]}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_becomes_null_wherever_it_stands(number: float) -> None:
    assert compact({"a": [number, 1.5, {"b": number, "c": "NaN"}]}) == '{"a":[null,1.5,{"b":null,"c":"NaN"}]}'


def test_a_value_nested_deeper_than_can_be_written_is_unreadable() -> None:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(UnreadableBytes, match="nested too deep"):
        compact(value)
