"""What a task's status stream says, as the command reads it (see "Server-sent events" in the documentation)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from app.cli.errors import UnexpectedAnswer
from app.cli.following.sse_client import ServerSentEvent

EXIT_CODES: Mapping[str, int] = {"succeeded": 0, "failed": 1, "lost": 1, "rejected": 1, "cancelled": 3, "expired": 3}
"""How a task can end, and what `petiole follow` exits with then."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """One event of a task's stream. `content` is its JSON, whole; the rest is what people look at.

    `seq` is the event's id; None for events outside the numbering (`reset`, `closing`).
    """

    name: str
    seq: int | None
    status: str
    attempt: int
    final: bool
    content: Mapping[str, Any]

    @classmethod
    def of(cls, event: ServerSentEvent) -> Self:
        """Read an event.

        Raises:
            UnexpectedAnswer: its data is no JSON object, or its id no number.
        """
        try:
            content = json.loads(event.data)
            status = str(content.get("status", ""))
            return cls(
                name=event.event,
                seq=int(event.id) if event.id else None,
                status=status,
                attempt=int(content.get("attempt") or 1),
                final=bool(content.get("final")) or status in EXIT_CODES,
                content=content,
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise UnexpectedAnswer(f"an event {event.event!r} cannot be read ({error})") from error

    @property
    def progress(self) -> tuple[float, float, str] | None:
        """Current, total and message; None when the update says nothing about progress."""
        told = self.content.get("progress")
        if not isinstance(told, dict) or not told.get("total"):
            return None
        return float(told.get("current") or 0), float(told["total"]), str(told.get("message") or "")

    @property
    def remark(self) -> str:
        """The one thing worth a glance: the progress message, the error, the time of the next attempt, or nothing."""
        if error := self.content.get("error"):
            return describe_error(error)
        if self.progress:
            return self.progress[2]
        return f"not before {self.content['eta']}" if self.content.get("eta") else ""


def describe_error(error: Mapping[str, Any]) -> str:
    """The type and message of a task's error, on one line."""
    return " ".join(f"{error.get('type')}: {error.get('message')}".split())


def outcome_of(ended: Mapping[str, Any]) -> str:
    """How a task ended, in one line: its status, and its result or error."""
    if error := ended.get("error"):
        return f"{ended['status']}: {describe_error(error)}"
    if ended.get("result_ref"):
        return f"{ended['status']}: the result is large, see {ended['result_ref']}"
    if ended["status"] != "succeeded":
        return str(ended["status"])
    return f"succeeded: {json.dumps(ended.get('result'), ensure_ascii=False)}"


def shortened(text: str, longest: int) -> str:
    """The text, cut where it is longer than that."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
