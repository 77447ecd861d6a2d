import json
from typing import Any

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.state import Status
from bridge.records.status import StatusUpdate, TaskRecord
from tests.unit.bridge.updates import TASK_ID, TIME, last_update, update

RECORD = {b"status": b"running", b"attempt": b"2", b"seq": b"7"}


def record(fields: dict[bytes, bytes], last: StatusUpdate | None = None) -> TaskRecord:
    return TaskRecord.read(TASK_ID, fields, last.text if last else None, 1_000)


def test_an_update_says_whose_it_is_and_which_number_it_has_when_it_is_sent() -> None:
    sent = json.loads(last_update(7).json)

    assert list(sent)[:2] == ["task_id", "seq"]
    assert sent == {
        "task_id": TASK_ID,
        "seq": 7,
        "status": "succeeded",
        "attempt": 1,
        "result": 5,
        "final": True,
        "time": TIME,
    }


def test_an_update_is_encoded_once_for_all_who_read_it() -> None:
    one = update(1)
    assert one.json is one.json


def test_an_update_tells_what_it_is_about() -> None:
    end = last_update(7)
    assert (end.status, end.attempt, end.result, end.final) == (Status.SUCCEEDED, 1, 5, True)
    assert (end.progress, end.error) == (None, None)

    failed = update(3, "failed", error={"type": "ValueError", "message": "oops"})
    assert failed.error == {"type": "ValueError", "message": "oops"}
    assert (failed.result, failed.final) == (None, False)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({}, "running"), ({"progress": {"current": 1}}, "progress"), ({"output": "…"}, "output"), ({"log": "…"}, "log")],
)
def test_the_kind_of_an_update_is_its_status_unless_it_changes_none(fields: dict[str, Any], kind: str) -> None:
    assert update(1, **fields).kind == kind


def test_a_reset_says_how_the_task_is_where_updates_are_not_kept_any_more() -> None:
    fields = {**RECORD, b"progress": b'{"current":3}'}
    reset = record(fields, update(7)).reset(5)
    assert (reset.kind, reset.seq, reset.status, reset.attempt, reset.final) == ("reset", 5, Status.RUNNING, 2, False)
    assert (reset.progress, reset.fields["time"]) == ({"current": 3}, TIME)
    assert json.loads(reset.json)["seq"] == 5
    assert record(RECORD).reset(0).progress is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"status":"asleep"}',
        b'{"status":["running"]}',
        b'{"status":"running"}',
        b'{"status":"running","attempt":"x"}',
        b'{"status":"running","attempt":1,"error":5}',
        b'{"status":"running","attempt":1,"progress":"half"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_an_update_that_somebody_else_wrote_is_unreadable(text: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="not an update of task a1"):
        _ = StatusUpdate(task_id=TASK_ID, seq=1, text=text).status


def test_a_record_needs_only_status_attempt_and_seq() -> None:
    found = record(RECORD)

    assert (found.status, found.attempt, found.seq) == (Status.RUNNING, 2, 7)
    assert (found.celery_state, found.priority, found.tags) == ("PENDING", 0, ())
    assert (found.task, found.queue, found.worker, found.progress, found.started_at) == (None,) * 5
    assert not found.final


def test_a_record_with_more_in_it_is_read_all_the_same() -> None:
    assert record({**RECORD, b"\xff": b"\xff"}).seq == 7


def test_a_record_has_all_that_is_known() -> None:
    found = record(
        {
            **RECORD,
            b"celery_state": b"STARTED",
            b"task": b"tasks.add",
            b"queue": b"mail",
            b"priority": b"5",
            b"tags": b'["user:42"]',
            b"worker": b"w1",
            b"progress": b'{"current":4}',
            b"submitted_at": b"1",
            b"eta": b"2",
            b"cancel": b"wrong file",
            b"payload": b"\xff",
        },
        last_update(7),
    )

    assert (found.celery_state, found.task, found.queue, found.priority) == ("STARTED", "tasks.add", "mail", 5)
    assert (found.tags, found.worker, found.progress) == (("user:42",), "w1", {"current": 4})
    assert (found.submitted_at, found.eta, found.cancel_reason, found.life_left_ms) == (1, 2, "wrong file", 1_000)
    assert found.last == last_update(7)
    assert found.final


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {**RECORD, b"status": b"asleep"},
        {**RECORD, b"attempt": b"two"},
        {**RECORD, b"tags": b"{"},
        {**RECORD, b"tags": b"5"},
        {**RECORD, b"progress": b"5"},
        {**RECORD, b"progress": b"[" * 100_000},
        {**RECORD, b"queue": b"\xff"},
        {b"\xff": b"\xff"},
        {b"cancel": b"1"},
    ],
)
def test_a_record_that_somebody_else_wrote_is_unreadable(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(UnreadableBytes, match="not the record of task a1"):
        record(fields)
