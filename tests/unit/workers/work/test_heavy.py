"""Heavy work: always the same small answer, and a report per step."""

import json
from decimal import Decimal

import pytest

from workers.errors import InvalidInput
from workers.progress import Progress
from workers.work.heavy import ROUNDS, STEPS, canonical_json, stretch


def _stretch(data: object, reports: list[Progress] | None = None) -> dict[str, object]:
    kept: list[Progress] = [] if reports is None else reports
    return {**stretch(data, rounds=40, report=kept.append)}


def test_a_known_value_gives_a_known_digest() -> None:
    assert _stretch("sample payload") == {
        "sha256": "dd55f362e01d34dc2fa4e6bbfef5037f6d63e77a361dac537587690975e255ef",
        "rounds": 40,
        "bytes": 16,
    }


def test_the_order_of_keys_does_not_matter_and_the_value_does() -> None:
    assert _stretch({"a": 1, "b": [None]}) == _stretch({"b": [None], "a": 1})
    assert _stretch({"a": 1}) != _stretch({"a": 2})


def test_each_step_is_reported_once_in_order_and_in_few_characters() -> None:
    reports: list[Progress] = []
    _stretch(None, reports)
    assert [(report.current, report.total) for report in reports] == [(step, STEPS) for step in range(1, STEPS + 1)]
    assert all(len(report.message) <= 12 for report in reports)


def test_the_result_of_any_value_is_small() -> None:
    result = {**_stretch("x" * 100_000), "rounds": ROUNDS}
    assert len(json.dumps(result)) < 200


@pytest.mark.parametrize("value", ["\ud800", "é", "", [], {}, 0, -1.5, True, None, 10**400])
def test_every_json_value_has_a_canonical_form_that_reads_back(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, Decimal(1), b"bytes"])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="must be a JSON value"):
        canonical_json(value)
