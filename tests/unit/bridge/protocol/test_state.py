import json

import pytest

from bridge.protocol.state import ENDS, TABLE, TABLE_FOR_SCRIPTS, Status

CELERYS_WORDS = {"PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "REJECTED"}


def test_every_status_has_its_row() -> None:
    assert TABLE.keys() == set(Status)


def test_an_attempt_goes_from_submitted_over_scheduled_received_and_running_to_retrying() -> None:
    open_statuses = sorted(set(Status) - ENDS, key=lambda status: TABLE[status].rank)
    assert open_statuses == ["submitted", "scheduled", "received", "running", "retrying"]
    assert len({TABLE[status].rank for status in open_statuses}) == len(open_statuses)


def test_the_ends_are_six_and_nothing_ranks_above_them() -> None:
    assert {"succeeded", "failed", "cancelled", "expired", "rejected", "lost"} == ENDS
    assert {TABLE[end].rank for end in ENDS} == {max(row.rank for row in TABLE.values())}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_every_end_stamps_the_time_it_was_reached(end: Status) -> None:
    assert TABLE[end].stamps == "finished_at"


def test_every_status_has_a_word_of_celery() -> None:
    assert {row.celery_state for row in TABLE.values()} == CELERYS_WORDS


def test_the_scripts_are_handed_the_same_table() -> None:
    handed = json.loads(TABLE_FOR_SCRIPTS)
    assert handed == {
        str(status): {"rank": row.rank, "ends": status in ENDS, "stamps": row.stamps, "concluded": row.concluded}
        for status, row in TABLE.items()
    }
