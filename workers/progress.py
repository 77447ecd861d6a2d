"""How a piece of work tells how far it is, and how Celery is told.

A task that has more to say sends events of its own, which become updates in its stream: `task.send_event("task-output",
text="…")`, `task.send_event("task-log", level="WARNING", message="…")`. See docs/http.md.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.retry import RetryingTask

PROGRESS = "PROGRESS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """`current` of `total` units are done. Each report is kept in Redis, so the message is a word or two."""

    current: int
    total: int
    message: str


Report = Callable[[Progress], None]


def reporter(task: "RetryingTask") -> Report:
    """Reports as the custom state ``PROGRESS``, whose meta is ``{"current", "total", "message"}``."""

    def report(progress: Progress) -> None:
        task.update_state(state=PROGRESS, meta=asdict(progress))

    return report
