from typing import Any

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.events import news_of_event
from bridge.protocol.news import News
from bridge.protocol.said import LEVEL_LIMIT, PROGRESS_LIMIT, TEXT_LIMIT
from tests.celery_says import TIME, event

AT_MS = 1_795_488_861_007


def told(kind: str, **fields: Any) -> News:
    news = news_of_event(event(kind, "a1", **fields), at_ms=AT_MS, attempt=2)
    assert news is not None
    return news


def test_output_is_no_change_of_status_and_says_when_it_was_said() -> None:
    news = told("task-output", text="line 1\n")

    assert (news.status, news.attempt, news.said) == (None, 2, f"{TIME!r} 3")
    assert (news.details, news.changes) == ({"output": "line 1\n"}, {})


def test_a_line_of_a_log_has_a_level() -> None:
    assert told("task-log", level="warning", message="hot").details == {"log": {"level": "WARNING", "message": "hot"}}
    assert told("task-log", message="hot").details == {"log": {"level": "INFO", "message": "hot"}}


def test_what_is_no_text_is_written_as_one() -> None:
    assert told("task-output", text={"a": 1}).details == {"output": "{'a': 1}"}


@pytest.mark.parametrize(("kind", "field"), [("task-output", "text"), ("task-log", "message")])
def test_a_long_text_is_cut_and_says_how_long_it_was(kind: str, field: str) -> None:
    (said,) = told(kind, **{field: "x" * (TEXT_LIMIT + 1)}).details.values()
    text = said if kind == "task-output" else said["message"]
    assert text == "x" * TEXT_LIMIT + f"… (cut, of {TEXT_LIMIT + 1} characters)"
    assert told("task-output", text="x" * TEXT_LIMIT).details == {"output": "x" * TEXT_LIMIT}


def test_a_long_level_is_cut() -> None:
    assert told("task-log", level="x" * 100, message="").details["log"]["level"] == "X" * LEVEL_LIMIT


def test_progress_that_is_too_long_is_left_out() -> None:
    news = told("task-progress", current=1, total=2, message="x" * PROGRESS_LIMIT)
    assert news.details["progress"] == {"message": f"more than {PROGRESS_LIMIT} characters of progress, left out"}
    assert str(PROGRESS_LIMIT) in str(news.changes["progress"])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("task-output", {}),
        ("task-log", {"level": "INFO"}),
        ("task-output", {"text": "x", "clock": None}),
        ("task-output", {"text": "x", "timestamp": "now"}),
        ("task-output", {"text": "x", "timestamp": float("nan")}),
        ("task-output", {"text": "x", "timestamp": float("inf")}),
        ("task-progress", {"current": 1, "clock": float("inf")}),
    ],
)
def test_what_lacks_what_it_must_have_is_unreadable(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBytes, match=f"not a {kind} event"):
        told(kind, **fields)
