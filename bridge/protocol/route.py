"""Where a task goes: a queue and a priority within it."""

from dataclasses import dataclass

from bridge.errors import InvalidMessage
from bridge.protocol.keys import LOWEST_PRIORITY, is_taken
from bridge.protocol.values import check_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A queue, and a priority from 0 (served first) to 9 (served last): on Redis the lower number goes first.

    Raises:
        InvalidMessage: the queue has no usable name, or the priority is out of range.
    """

    queue: str
    priority: int = 0

    def __post_init__(self) -> None:
        check_name(self.queue, "/options/queue")
        if is_taken(self.queue):
            raise InvalidMessage("/options/queue", f"{self.queue!r} is a key that Celery keeps for itself")
        if not 0 <= self.priority <= LOWEST_PRIORITY:
            raise InvalidMessage("/options/priority", "must be 0 (served first) to 9 (served last)")
