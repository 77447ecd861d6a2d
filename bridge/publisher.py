"""The publisher: task messages on their way to Celery's queues, all submits of one moment in one round trip."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, DuplicateTask, InvalidMessage, PetioleError, QueueSaturated
from bridge.protocol.clock import iso, milliseconds
from bridge.protocol.compact import compact
from bridge.protocol.envelope import seal_task
from bridge.protocol.events import TASK_SENT, Sender, seal_task_sent
from bridge.protocol.keys import Keys, event_channel
from bridge.protocol.message import TaskMessage, encode
from bridge.protocol.news import first_update
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.redis import Arg, Redis, Script
from bridge.settings import BridgeSettings

_ACCEPTED, _TAKEN, _SATURATED = 1, 0, -1
LANES = 2
"""Batches on their way at once: one that Redis works on, and one that is made ready."""
NOW = 0
"""Held until 0: not held at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A task message, where it goes, and what is recorded of it beside Celery's own fields."""

    message: TaskMessage
    route: Route
    tags: Sequence[str] = ()
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A submission made ready: the part of `accept.lua`'s arguments that is its own."""

    task_id: str
    nonce: str
    route: Route
    args: tuple[Arg, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who publishes, and where its clock and its ids come from. `clock` gives seconds, `new_id` a fresh UUID."""

    sender: Sender
    reply_to: str
    clock: Callable[[], float]
    new_id: Callable[[], str]


class Publisher:
    """Queues tasks: each is queued *and* recorded, or neither."""

    def __init__(self, redis: Redis, settings: BridgeSettings, identity: Identity) -> None:
        self._redis = redis
        self._settings = settings
        self._identity = identity
        self._keys = Keys(settings.prefix)
        self._script = Script("accept")
        self._lamport = itertools.count(1)
        self._batcher: Batcher[_Entry, int] = Batcher(
            self._accept, size=settings.submit_batch, limit=settings.max_pending_submits, lanes=LANES
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings, identity: Identity) -> AsyncIterator[Self]:
        """A publisher that sends what still waits at the end of the block."""
        publisher = cls(redis, settings, identity)
        async with publisher._batcher:
            yield publisher

    def __repr__(self) -> str:
        return f"<Publisher {self._batcher!r}>"

    async def publish(self, submission: Submission) -> None:
        """Queue one task and await that it is.

        Raises:
            InvalidMessage: the message is too large.
            DuplicateTask: a task with its id is known.
            QueueSaturated: the queue is as deep as it may become.
            PublisherBusy: too many submits of this process wait already.
            BrokerUnavailable: Redis did not answer; whether the task was queued is unknown, and sending the same
                id again answers `DuplicateTask` if it was.
        """
        entry = self._ready(submission)
        outcome = await self._batcher.call(entry)
        if outcome == _TAKEN:
            raise DuplicateTask(entry.task_id)
        if outcome == _SATURATED:
            raise QueueSaturated(entry.route.queue, self._settings.max_queue_depth)
        if outcome != _ACCEPTED:
            raise InvalidMessage("/options/queue", f"{entry.route.queue!r} is a key of another kind in Redis")

    def _ready(self, submission: Submission) -> _Entry:
        message, route, identity = submission.message, submission.route, self._identity
        if route.queue.startswith(self._settings.prefix):
            raise InvalidMessage("/options/queue", f"must not start with {self._settings.prefix!r}")
        now = identity.clock()
        now_ms = int(now * 1000)
        encoded = encode(message)
        expires_ms = milliseconds(message.expires) - now_ms if message.expires else None
        delivery_tag = identity.new_id()
        sealed = seal_task(encoded, route, delivery_tag=delivery_tag, reply_to=identity.reply_to, expires_ms=expires_ms)
        if len(sealed) > self._settings.max_message_bytes:
            raise InvalidMessage("", f"is {len(sealed)} bytes; the limit is {self._settings.max_message_bytes}")
        sent = seal_task_sent(
            encoded,
            route.queue,
            identity.sender,
            clock=next(self._lamport),
            timestamp=now,
            delivery_tag=identity.new_id(),
        )
        first, second, due = self._updates(message, now_ms)
        record = _record(submission, Status.SCHEDULED if due else Status.SUBMITTED, now_ms)
        return _Entry(
            task_id=message.task_id,
            nonce=delivery_tag[:8],
            route=route,
            args=(due, sealed, sent, first, second, len(record), *record),
        )

    def _updates(self, message: TaskMessage, now_ms: int) -> tuple[bytes, bytes, int]:
        """The first update, the second of a task that is held here, and until when it is (ms)."""
        eta_ms = milliseconds(message.eta) if message.eta else NOW
        details = {"eta": iso(eta_ms)} if eta_ms else {}
        first = first_update(Status.SUBMITTED, now_ms, details)
        if eta_ms - now_ms <= self._settings.hold_after * 1000:
            return first, b"", NOW
        return first, first_update(Status.SCHEDULED, now_ms, details), eta_ms

    async def _accept(self, entries: Sequence[_Entry]) -> Sequence[int | PetioleError]:
        """One call of the script. When the connection breaks before the answer the call is made once more, which is
        safe since each entry has a nonce. A server that does not answer in time is not asked again."""
        keys, args = self._script_call(entries)
        try:
            outcomes: Sequence[int] = await self._redis.run(self._script, keys, args)
        except BrokerUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            outcomes = await self._redis.run(self._script, keys, args)
        return outcomes

    def _script_call(self, entries: Sequence[_Entry]) -> tuple[list[str], list[Arg]]:
        keys = [self._keys.live, self._keys.open, self._keys.scheduled, self._keys.queues]
        settings = self._settings
        args: list[Arg] = [
            settings.prefix,
            int(self._identity.clock() * 1000),
            settings.open_ttl,
            settings.live_limit,
            settings.max_queue_depth,
            event_channel(self._redis.database, TASK_SENT),
        ]
        numbers: dict[str, int] = {}
        for entry in entries:
            route = entry.route
            if route.queue not in numbers:
                numbers[route.queue] = len(numbers) + 1
                keys.extend(route.keys)
            args += (entry.task_id, entry.nonce, numbers[route.queue], route.step + 1, *entry.args)
        return keys, args


def _record(submission: Submission, status: Status, now_ms: int) -> list[Arg]:
    """Fields and values of the record's first version. What is usual is left out, to save Redis memory."""
    message, route = submission.message, submission.route
    fields: dict[str, Arg] = {
        "task": message.task,
        "queue": route.queue,
        "status": status,
        "submitted_at": now_ms,
        **submission.facts,
    }
    if route.priority:
        fields["priority"] = route.priority
    if submission.tags:
        fields["tags"] = compact(list(submission.tags))
    if message.eta:
        fields["eta"] = milliseconds(message.eta)
    return [part for pair in fields.items() for part in pair]
