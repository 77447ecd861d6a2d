from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.protocol.clock import from_iso, iso, milliseconds


@pytest.mark.parametrize("at_ms", [0, 999, 1_000, 1_795_488_861_007, 253_402_300_799_999])
def test_a_time_is_always_24_characters_and_comes_back_as_it_was(at_ms: int) -> None:
    text = iso(at_ms)

    assert len(text) == 24
    assert milliseconds(from_iso(text)) == at_ms


def test_a_time_is_written_in_utc() -> None:
    assert iso(1_795_488_861_007) == "2026-11-24T02:54:21.007Z"


def test_a_time_with_an_offset_is_the_same_moment() -> None:
    east = datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2)))
    assert milliseconds(east) == milliseconds(datetime(2026, 1, 31, 12, tzinfo=UTC))


def test_a_naive_time_in_an_event_is_taken_as_utc() -> None:
    assert from_iso("2026-01-31T12:00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_time_in_an_event_keeps_its_offset() -> None:
    assert from_iso("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
