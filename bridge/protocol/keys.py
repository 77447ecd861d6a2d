"""Names of keys and channels in Redis: Celery's, which are fixed, and Petiole's, which carry a prefix.

Source of Celery's names: kombu/transport/redis.py, celery/backends/base.py; recorded in tests/contract.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

SEPARATOR = "\x06\x16"
PRIORITY_STEPS = (0, 3, 6, 9)
LOWEST_PRIORITY = 9
RESULT_PREFIX = "celery-task-meta-"
_OWN_KEYS = frozenset({"unacked", "unacked_index", "unacked_mutex"})
_OWN_PREFIXES = ("_kombu.binding", RESULT_PREFIX, "celery-taskset-meta-")


@lru_cache(1_024)
def queue_keys(queue: str) -> tuple[str, ...]:
    """The lists of a queue, one for each priority step, the one served first in front."""
    return tuple(f"{queue}{SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS)


def step_of(priority: int) -> int:
    """Which list of a queue, 0 to 3, holds tasks of `priority` (0 is served first, 9 last): the nearest step below."""
    return bisect_right(PRIORITY_STEPS, priority) - 1


def is_taken(queue: str) -> bool:
    """Whether Celery keeps a key of this name for itself, so that no queue may have it."""
    return queue in _OWN_KEYS or queue.startswith(_OWN_PREFIXES)


def result_key(task_id: str) -> str:
    """Key *and* PUB/SUB channel of a task's result."""
    return RESULT_PREFIX + task_id


def event_channel(database: int, event_type: str) -> str:
    """Channel of an event type, for example ``task-sent`` on database 0: ``/0.celeryev/task.sent``."""
    return f"/{database}.celeryev/{event_type.replace('-', '.')}"


def pidbox_channel(database: int) -> str:
    """Channel on which every worker hears remote control."""
    return f"/{database}.celery.pidbox"


@dataclass(frozen=True, slots=True)
class Keys:
    """Petiole's own keys, all below `prefix`. They live on the broker's database, beside the queues."""

    prefix: str

    def record(self, task_id: str) -> str:
        """Hash: what is known of one task."""
        return f"{self.prefix}task:{task_id}"

    def history(self, task_id: str) -> str:
        """List: the updates of one task, in the order of their numbers."""
        return f"{self.prefix}history:{task_id}"

    @property
    def live(self) -> str:
        """Stream, capped: every update of every task."""
        return self.prefix + "live"

    @property
    def open(self) -> str:
        """Sorted set, the watchlist: tasks that have not ended, by time of their last news."""
        return self.prefix + "open"

    @property
    def scheduled(self) -> str:
        """Sorted set: tasks held here until their time, by that time."""
        return self.prefix + "scheduled"

    @property
    def queues(self) -> str:
        """Set: queues that tasks were submitted to."""
        return self.prefix + "queues"

    @property
    def workers(self) -> str:
        """Hash: last heartbeat of each worker."""
        return self.prefix + "workers"

    @property
    def watchers(self) -> str:
        """Hash: last sign of life of each watcher."""
        return self.prefix + "watchers"
