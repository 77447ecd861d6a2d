from collections.abc import Sequence

import pytest

from bridge.protocol.failure import (
    MESSAGE_LIMIT,
    TRACEBACK_LIMIT,
    failure,
    failure_from_meta,
    failure_from_repr,
    raised_in,
)


@pytest.mark.parametrize(
    ("exception", "kind", "message"),
    [
        ("ValueError('oops')", "ValueError", "oops"),
        ("ValueError('oops',)", "ValueError", "oops"),
        ('KeyError("it\'s")', "KeyError", "it's"),
        ("ValueError()", "ValueError", ""),
        ("ValueError('a', 2)", "ValueError", "'a', 2"),
        ("app.errors.Broken('line\nline')", "app.errors.Broken", "line\nline"),
        ("<Broken object at 0x1>", "Exception", "<Broken object at 0x1>"),
        ("", "Exception", ""),
        ("ValueError(')", "ValueError", "'"),
        (None, "Exception", "None"),
    ],
)
def test_an_exceptions_repr_is_taken_apart(exception: object, kind: str, message: str) -> None:
    assert failure_from_repr(exception) == {"type": kind, "message": message}


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        ({"exc_type": "ValueError", "exc_message": ["oops"], "exc_module": "os"}, "ValueError", "oops"),
        ({"exc_type": "A.B", "exc_message": ["a", 2, None]}, "A.B", "a, 2, None"),
        ({"exc_type": "OldCelery", "exc_message": "a text"}, "OldCelery", "a text"),
        ({"exc_type": "Bare", "exc_message": []}, "Bare", ""),
        ({}, "Exception", ""),
        ("just a text", "Exception", "just a text"),
        (None, "Exception", "None"),
    ],
)
def test_a_failed_tasks_meta_gives_type_and_message(result: object, kind: str, message: str) -> None:
    assert failure_from_meta(result, None) == {"type": kind, "message": message}


@pytest.mark.parametrize(
    ("result", "arguments", "module"),
    [
        ({"exc_type": "A", "exc_message": ["a", 2, None], "exc_module": "proj.errors"}, ["a", 2, None], "proj.errors"),
        ({"exc_type": "OldCelery", "exc_message": "a text", "exc_module": 5}, ("a text",), None),
        ({"exc_type": "Bare", "exc_message": []}, [], None),
        ({}, [], None),
        ("just a text", ("just a text",), None),
    ],
)
def test_a_failed_tasks_meta_gives_arguments_and_module(
    result: object, arguments: Sequence[object], module: str | None
) -> None:
    raised = raised_in(result)
    assert (raised.arguments, raised.module) == (arguments, module)


def test_a_traceback_comes_along() -> None:
    assert failure_from_repr("E()", "Traceback …")["traceback"] == "Traceback …"
    assert failure_from_meta({}, "Traceback …")["traceback"] == "Traceback …"


@pytest.mark.parametrize("traceback", [None, "", 5, ["Traceback"]])
def test_without_a_traceback_there_is_none(traceback: object) -> None:
    assert "traceback" not in failure("E", "m", traceback)


def test_a_long_message_keeps_its_beginning_and_a_long_traceback_its_end() -> None:
    error = failure("E", "m" * (MESSAGE_LIMIT + 1), "t" * TRACEBACK_LIMIT + "the cause")

    assert len(error["message"]) == MESSAGE_LIMIT
    assert error["message"].endswith("m…")
    assert len(error["traceback"]) == TRACEBACK_LIMIT
    assert error["traceback"].startswith("…t")
    assert error["traceback"].endswith("the cause")


def test_texts_at_their_limit_are_kept_whole() -> None:
    error = failure("E", "m" * MESSAGE_LIMIT, "t" * TRACEBACK_LIMIT)
    assert (len(error["message"]), len(error["traceback"])) == (MESSAGE_LIMIT, TRACEBACK_LIMIT)
    assert "…" not in error["message"] + error["traceback"]
