"""Where a task goes: a queue and a priority within it, or a fanout exchange."""

from typing import NamedTuple, Self

from bridge.errors import InvalidMessage
from bridge.protocol.keys import LOWEST_PRIORITY, is_taken
from bridge.protocol.values import check_name


class _Route(NamedTuple):
    queue: str
    priority: int
    fanout: str


class Route(_Route):
    """A queue, and a priority from 0 (served first) to 9 (served last): on Redis the lower number goes first.

    With a `fanout` exchange all workers that listen to it have the task, and no queue has it. Its routing key, `queue`,
    may be empty.
    """

    __slots__ = ()

    def __new__(cls, *, queue: str, priority: int = 0, fanout: str = "") -> Self:
        """Check it.

        Raises:
            InvalidMessage: the queue has no usable name, or the priority is out of range.
        """
        if not fanout:
            check_name(queue, "/options/queue")
        if is_taken(queue):
            raise InvalidMessage("/options/queue", f"{queue!r} is a name that Celery keeps for itself")
        if not 0 <= priority <= LOWEST_PRIORITY:
            raise InvalidMessage("/options/priority", "must be 0 (served first) to 9 (served last)")
        return super().__new__(cls, queue, priority, fanout)
