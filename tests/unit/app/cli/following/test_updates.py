import json

import pytest

from app.cli.errors import UnexpectedAnswer
from app.cli.following.sse_client import ServerSentEvent
from app.cli.following.updates import Update, outcome_of, shortened


def update(name: str = "running", seq: str | None = "1", /, **content: object) -> Update:
    return Update.of(ServerSentEvent(id=seq, event=name, data=json.dumps({"status": name, "attempt": 1, **content})))


def test_an_update_outside_the_numbering_has_no_number() -> None:
    assert update("closing", None).seq is None


def test_a_reset_to_a_task_that_has_ended_is_an_end() -> None:
    assert update("reset", None, status="failed").final


def test_progress_without_a_total_is_no_progress_to_draw() -> None:
    assert update(progress={"current": 3}).progress is None
    assert update(progress={"current": 3, "total": 4}).progress == (3, 4, "")


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        ({"progress": {"current": 1, "total": 2, "message": "page 1"}}, "page 1"),
        ({"error": {"type": "ValueError", "message": "no\nheader"}}, "ValueError: no header"),
        ({"eta": "2026-01-01T00:00:00Z"}, "not before 2026-01-01T00:00:00Z"),
        ({}, ""),
    ],
)
def test_the_remark_is_what_is_worth_a_glance(content: dict[str, object], remark: str) -> None:
    assert update("running", "1", **content).remark == remark


@pytest.mark.parametrize("data", ["hello", "[]", "null", '{"attempt": "x"}'])
def test_an_event_that_is_no_update_is_refused_with_its_name(data: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="'running'"):
        Update.of(ServerSentEvent(id="1", event="running", data=data))


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ({"status": "succeeded", "result": {"a": 1}}, 'succeeded: {"a": 1}'),
        (
            {"status": "succeeded", "result_ref": "/v1/tasks/t/result"},
            "succeeded: the result is large, see /v1/tasks/t/result",
        ),
        ({"status": "failed", "error": {"type": "ValueError", "message": "empty"}}, "failed: ValueError: empty"),
        ({"status": "cancelled", "error": None}, "cancelled"),
    ],
)
def test_how_a_task_ended_fits_on_one_line(ended: dict[str, object], told: str) -> None:
    assert outcome_of(ended) == told


def test_a_text_is_cut_only_when_it_is_too_long() -> None:
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab…")
