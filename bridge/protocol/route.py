"""Where a task goes: a queue and a priority within it, or a fanout exchange."""

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
    """With a fanout exchange this is its routing key, which may be empty."""
    priority: int = 0
    fanout: str = ""
    """A fanout exchange: all workers that listen to it have the task, and no queue has."""

    def __post_init__(self) -> None:
        if not self.fanout:
            check_name(self.queue, "/options/queue")
        if is_taken(self.queue):
            raise InvalidMessage("/options/queue", f"{self.queue!r} is a key that Celery keeps for itself")
        if not 0 <= self.priority <= LOWEST_PRIORITY:
            raise InvalidMessage("/options/priority", "must be 0 (served first) to 9 (served last)")
