"""What a task says while it runs, by events of its own: ``task-progress``, ``task-output``, ``task-log``.

Any task can: ``self.send_event("task-output", text="…")``. Celery adds who, when, and the task's id.
"""

import math
from collections.abc import Mapping
from typing import Any

from bridge.protocol.compact import compact
from bridge.protocol.news import News

TEXT_LIMIT = 4_000
"""Characters of one piece of output or of one line of a log. What is longer is cut, and says how long it was."""
LEVEL_LIMIT = 20
PROGRESS_LIMIT = 4_096
"""Characters of the JSON of one report of progress; a longer one is left out."""
_PROGRESS = ("current", "total", "message")


def news_of_saying(event: Mapping[str, Any], task_id: str, at_ms: int, attempt: int) -> News:
    """The news in one of these events.

    Raises:
        KeyError, TypeError, ValueError: the event lacks what it must have.
    """
    details, changes = _READERS[event["type"]](event)
    said = _moment(event["timestamp"], event["clock"])
    return News(task_id=task_id, status=None, at_ms=at_ms, attempt=attempt, details=details, changes=changes, said=said)


def _moment(seconds: Any, clock: Any) -> str:
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds!r} is no time")
    return f"{float(seconds)!r} {int(clock)}"


def _progress(event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    progress = {key: event[key] for key in _PROGRESS if key in event}
    text = compact(progress)
    if len(text) > PROGRESS_LIMIT:
        progress = {"message": f"more than {PROGRESS_LIMIT} characters of progress, left out"}
        text = compact(progress)
    return {"progress": progress}, {"progress": text}


def _output(event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    return {"output": _cut(str(event["text"]))}, {}


def _log(event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    level = str(event.get("level", "INFO")).upper()
    return {"log": {"level": level[:LEVEL_LIMIT], "message": _cut(str(event["message"]))}}, {}


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}… (cut, of {len(text)} characters)"


_READERS = {"task-progress": _progress, "task-output": _output, "task-log": _log}
SAYINGS = frozenset(_READERS)
