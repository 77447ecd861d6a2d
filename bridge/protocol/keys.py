"""Names of keys and channels in Redis: Celery's, which its configuration fixes, and Petiole's, which carry a prefix.

Source of Celery's names: kombu/transport/redis.py, celery/backends/base.py; recorded in tests/contract.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

SEPARATOR = "\x06\x16"
PRIORITY_STEPS = (0, 3, 6, 9)
LOWEST_PRIORITY = 9
RESULT_PREFIX = "celery-task-meta-"
BINDINGS_PREFIX = "_kombu.binding."
UNACKED = "unacked"
EVENT_EXCHANGE = "celeryev"
PIDBOX = ".pidbox"
"""Ends the name of every mailbox of Kombu's, and of its replies, whatever ``control_exchange`` is."""
EVENT_QUEUES = f"{EVENT_EXCHANGE}."
"""Begins the queue by which one process hears events (``event_queue_prefix``)."""
_OWN_KEYS = frozenset({UNACKED, "unacked_index", "unacked_mutex"})
_OWN_PREFIXES = ("_kombu.binding", RESULT_PREFIX, "celery-taskset-meta-", EVENT_QUEUES)
_ENDS_OF_PREFIXES = ":_-."


def is_taken(queue: str) -> bool:
    """Whether Celery keeps this name for itself, so that no queue may have it: of a key, or of an exchange, since a
    queue that a worker makes by its name alone has an exchange of that name."""
    return queue in _OWN_KEYS or queue.startswith(_OWN_PREFIXES) or is_own_exchange(queue)


def is_own_exchange(exchange: str) -> bool:
    """Whether Celery's processes talk to each other there: the exchange of events, or of a mailbox.

    An ``event_exchange`` with a name of one's own is not known by that name.
    """
    name = exchange.partition("/")[0]  # of a channel; Kombu takes what is behind a slash for the routing key
    return name == EVENT_EXCHANGE or name.endswith(PIDBOX)


@lru_cache(1_024)
def _lists(queue: str, steps: tuple[int, ...], separator: str) -> tuple[str, ...]:
    return tuple(f"{queue}{separator}{step}" if step else queue for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerKeys:
    """Celery's names on the broker's database number `database`.

    `prefix` is Kombu's ``global_keyprefix``: it stands in front of every key *and* channel, as it is. `steps` and
    `separator` are its ``priority_steps``, ascending from 0, and ``sep``.
    """

    database: int = 0
    prefix: str = ""
    steps: tuple[int, ...] = PRIORITY_STEPS
    separator: str = SEPARATOR

    def lists(self, queue: str) -> tuple[str, ...]:
        """The lists of a queue, one for each priority step, the one served first in front."""
        return _lists(self.prefix + queue, self.steps, self.separator)

    def step_of(self, priority: int) -> int:
        """Which of them, from 0, holds tasks of `priority` (0 is served first, 9 last): the nearest step below."""
        return bisect_right(self.steps, priority) - 1

    def list_of(self, queue: str, priority: int) -> str:
        """The list that tasks of `priority` are pushed to."""
        return self.lists(queue)[self.step_of(priority)]

    def key(self, name: str) -> str:
        """The key that Kombu calls `name`: of a queue, of its first list, or of something else."""
        return self.prefix + name

    def name(self, key: str) -> str:
        """The reverse of `key`."""
        return key.removeprefix(self.prefix)

    @property
    def unacked(self) -> str:
        """Hash: messages that workers have taken and not finished."""
        return self.key(UNACKED)

    def bindings(self, exchange: str) -> str:
        """Set: the queues that are bound to an exchange."""
        return self.key(BINDINGS_PREFIX + exchange)

    def fanout_channel(self, exchange: str, routing_key: str = "") -> str:
        """Channel on which workers hear what is sent to a fanout exchange."""
        channel = f"{self.prefix}/{self.database}.{exchange}"
        return f"{channel}/{routing_key}" if routing_key else channel

    def event_channel(self, event_type: str) -> str:
        """Channel of an event type, for example ``task-sent`` on database 0: ``/0.celeryev/task.sent``."""
        return self.fanout_channel(EVENT_EXCHANGE, event_type.replace("-", "."))

    @property
    def every_event(self) -> str:
        """Pattern of the channels of all events."""
        return f"{_exactly(self.fanout_channel(EVENT_EXCHANGE))}/*"

    @property
    def pidbox_channel(self) -> str:
        """Channel on which every worker hears remote control."""
        return self.fanout_channel("celery.pidbox")


@dataclass(frozen=True, slots=True)
class ResultKeys:
    """Celery's names on the result backend. `prefix` is the backend's ``global_keyprefix``, which is another setting
    than the broker's, and not taken as it is: see `of`."""

    prefix: str = ""

    @classmethod
    def of(cls, global_keyprefix: str) -> "ResultKeys":
        """With the setting as Celery's backend reads it: `_` is added unless it ends with one of ``:_-.``."""
        needs_end = global_keyprefix and global_keyprefix[-1] not in _ENDS_OF_PREFIXES
        return cls(f"{global_keyprefix}_" if needs_end else global_keyprefix)

    def key(self, name: str) -> str:
        """The key that Celery calls `name` where there is no prefix."""
        return self.prefix + name

    def result(self, task_id: str) -> str:
        """Key *and* PUB/SUB channel of a task's result."""
        return f"{self.prefix}{RESULT_PREFIX}{task_id}"

    def task_of(self, key: str) -> str:
        """The task whose result this key, or channel, is of."""
        return key.removeprefix(self.prefix + RESULT_PREFIX)

    @property
    def every_result(self) -> str:
        """Pattern of the channels of all results."""
        return f"{_exactly(self.prefix)}{RESULT_PREFIX}*"


def _exactly(text: str) -> str:
    """A pattern of Redis that fits `text` alone."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


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
    def index(self) -> str:
        """Sorted set: tasks by the time they were submitted; those that are gone as well, for a while."""
        return self.prefix + "index"

    def index_of(self, owner: str) -> str:
        """The same of the tasks of one owner; the index of all tasks for ``""``."""
        return f"{self.index}:{owner}" if owner else self.index

    @property
    def owners(self) -> str:
        """Set: the owners that have an index."""
        return self.prefix + "owners"

    def idempotency(self, owner: str, key: str) -> str:
        """String: a digest of what an owner's submit with this idempotency key said, and which task it made."""
        return f"{self.prefix}idempotency:{owner}:{key}"

    @property
    def scheduled(self) -> str:
        """Sorted set: tasks held here until their time, by that time."""
        return self.prefix + "scheduled"

    @property
    def paused(self) -> str:
        """Set: queues that take no tasks and that workers take none from, by the key of their first list."""
        return self.prefix + "paused"

    def paused_workers(self, queue: str) -> str:
        """Set: the workers that are to take tasks from a paused queue again when it is resumed."""
        return f"{self.paused}:{queue}"

    @property
    def survey(self) -> str:
        """String: what workers told of themselves when they were asked."""
        return self.prefix + "survey"

    @property
    def untold(self) -> str:
        """Sorted set: tasks taken out of their queue of which the result backend may not say so, by when that was."""
        return self.prefix + "untold"

    @property
    def planned(self) -> str:
        """Sorted set: steps of workflows that no worker has begun with, by the time they were planned."""
        return self.prefix + "planned"

    @property
    def queues(self) -> str:
        """Set: queues that tasks were submitted to."""
        return self.prefix + "queues"

    @property
    def workers(self) -> str:
        """Hash: last heartbeat of each worker."""
        return self.prefix + "workers"

    @property
    def catalog(self) -> str:
        """Hash: the workers that announce their task types, and since when."""
        return self.prefix + "catalog"

    def announcement(self, worker: str) -> str:
        """String: the task types of one worker. Gone when it is."""
        return f"{self.prefix}catalog:{worker}"

    @property
    def registered(self) -> str:
        """String: the names of task types of the workers that announce nothing."""
        return self.prefix + "registered"

    @property
    def watchers(self) -> str:
        """Hash: last sign of life of each watcher."""
        return self.prefix + "watchers"

    @property
    def handover(self) -> str:
        """Hash: how far each watcher is, for those that begin beside it."""
        return self.prefix + "handover"

    @property
    def beginnings(self) -> str:
        """Counter: how often a watcher began to listen."""
        return self.prefix + "handover:beginnings"

    @property
    def api_keys(self) -> str:
        """Hash: the API keys by their ids, without their secrets."""
        return self.prefix + "api-keys"

    @property
    def api_keys_used(self) -> str:
        """Hash: when each API key was used last."""
        return self.prefix + "api-keys-used"

    @property
    def stream_token_secret(self) -> str:
        """String: what all API processes sign stream tokens with."""
        return self.prefix + "stream-token-secret"

    def rate_limit(self, key_id: str) -> str:
        """String: how far an API key has used up what it may; there is none while it rests."""
        return f"{self.prefix}rate-limit:{key_id}"
