"""Options of a submit, by the names of Celery's `apply_async`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from bridge.errors import InvalidMessage

MAX_TAGS = 32
MAX_TAG = 128
MAX_DELAY = timedelta(days=365)


class SubmitOptions(TypedDict, total=False):
    """The keyword arguments of `submit`. Durations are seconds, times are aware.

    `priority` is 0 (served first) to 9 (served last). Of `countdown` and `eta` one may be given; `expires` is a time or
    a number of seconds from now.
    """

    queue: str | None
    priority: int
    countdown: float | None
    eta: datetime | None
    expires: datetime | float | None
    time_limit: float | None
    soft_time_limit: float | None
    task_id: str | None
    tags: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The same with its defaults, checked.

    Raises:
        InvalidMessage: a tag is too long or cannot be printed, or there are too many.
    """

    queue: str | None = None
    priority: int = 0
    countdown: float | None = None
    eta: datetime | None = None
    expires: datetime | float | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    task_id: str | None = None
    tags: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.tags) > MAX_TAGS:
            raise InvalidMessage("/options/tags", f"has more than {MAX_TAGS} tags")
        for index, tag in enumerate(self.tags):
            if not 0 < len(tag) <= MAX_TAG or not tag.isprintable():
                raise InvalidMessage(f"/options/tags/{index}", f"must be 1 to {MAX_TAG} printable characters")

    def due(self, now: datetime) -> datetime | None:
        """When the task is to run; None for at once. As in Celery no delay is no eta.

        Raises:
            InvalidMessage: both a countdown and an eta are given, or the countdown is out of range.
        """
        if self.countdown is None:
            return self.eta
        if self.eta is not None:
            raise InvalidMessage("/options/countdown", "cannot be given together with eta")
        return _moment(self.countdown, now, "/options/countdown") if self.countdown else None

    def deadline(self, now: datetime) -> datetime | None:
        """When the task is not to start any more.

        Raises:
            InvalidMessage: a number of seconds is out of range.
        """
        return _moment(self.expires, now, "/options/expires")


def _moment(value: datetime | float | None, now: datetime, pointer: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    if not 0 <= value <= MAX_DELAY.total_seconds():
        raise InvalidMessage(pointer, f"must be 0 to {MAX_DELAY.total_seconds():.0f} seconds")
    return now + timedelta(seconds=value)
