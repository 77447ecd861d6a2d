"""Acceptance: a task made ready for `accept.lua`, the call of that script, and what its answers mean."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

from bridge.errors import (
    BrokerUnavailable,
    ClientClosed,
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    PetioleError,
    PublisherBusy,
    QueuePaused,
    QueueSaturated,
    UnreadableBytes,
)
from bridge.naming import broker_keys, check_queue
from bridge.protocol.clock import milliseconds
from bridge.protocol.compact import compact
from bridge.protocol.encoding import EncodedTask, encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.events import Sender, seal_task_sent, task_sent
from bridge.protocol.keys import Keys
from bridge.protocol.message import TaskMessage
from bridge.protocol.news import first_update, submitted_update
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.protocol.template import Template
from bridge.redis import Arg, Command, Redis, Script
from bridge.settings import BridgeSettings
from bridge.submit.entry import BY_A_WORKER, NOW, Entry, Kind, claims_of, kinds_and_tasks
from bridge.submit.idempotency import Claim
from bridge.submit.in_doubt import in_doubt

_ACCEPTED, _TAKEN, _SATURATED, _NO_LIST, _REUSED, _HELD_BACK, _PAUSED = 1, 0, -1, -2, -4, -5, -6
_OF_THE_TASK: Mapping[int, Callable[[str], PetioleError]] = {_TAKEN: DuplicateTask, _HELD_BACK: HeldBack}
TOLD_AT_ONCE = 32
"""Events in one message. Redis and hiredis treat values of more than 32 KB apart, which takes them longer."""
Facts = Mapping[str, str | int]
"""Fields of a record, and their values."""
NO_FACTS: Facts = MappingProxyType({})


class Submission(NamedTuple):
    """A task message, where it goes, and what is recorded of it beside Celery's own fields, if anything is."""

    message: TaskMessage
    route: Route
    tags: Sequence[str] = ()
    facts: Facts = NO_FACTS
    record: bool = True
    reply_to: str | None = None
    """The publisher's own when it is None."""
    owner: str = ""
    claim: Claim | None = None
    encoded: EncodedTask | None = None
    """The message made ready already, as that of a replay is."""


class Planned(NamedTuple):
    """A task that a worker will send, where to, and what is recorded of it from now on."""

    task_id: str
    task: str
    route: Route
    tags: Sequence[str] = ()
    facts: Facts = NO_FACTS
    owner: str = ""


class Replayed(NamedTuple):
    """Nothing was queued: a submit with the same idempotency key had this task accepted before.

    Of a claim with an `answer` that stands here in the place of the id.
    """

    task_id: str


class Batch(NamedTuple):
    """Tasks in the words of the script, which has all of them accepted, `together` or each by itself."""

    entries: Sequence[Entry]
    together: bool
    keys: Sequence[str]
    args: Sequence[Arg]


Outcome = str | Replayed | PetioleError
"""What became of a task: the id of one that was accepted, now or before, or why it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who publishes, and where its clock and its ids come from. `clock` gives seconds, `new_id` a fresh UUID."""

    sender: Sender
    reply_to: str
    clock: Callable[[], float]
    new_id: Callable[[], str]


class Acceptance:
    """Has tasks accepted: each is queued *and* recorded, or neither."""

    def __init__(self, redis: Redis, settings: BridgeSettings, identity: Identity) -> None:
        self._redis = redis
        self._settings = settings
        self._identity = identity
        self._keys = Keys(settings.prefix)
        self.names = broker_keys(redis)
        self._script = Script("accept")
        self._lamport = count(1)
        self.check_queue = lru_cache(1_024)(partial(check_queue, redis, pointer="/options/queue"))
        """Raises `InvalidMessage` for a key of Petiole's, and for what workers would not read as one queue."""

    def ready(self, submission: Submission) -> Entry:
        """Make a task ready.

        Raises:
            InvalidMessage: the message is too large, or cannot be written, or its queue is a key of Petiole's.
        """
        message, route, identity = submission.message, submission.route, self._identity
        self.check_queue(route.queue)
        now = identity.clock()
        now_ms = int(now * 1000)
        encoded = submission.encoded or encode(message)
        expires_ms = milliseconds(message.expires) - now_ms if message.expires else None
        reply_to = identity.reply_to if submission.reply_to is None else submission.reply_to
        template, values = seal_task(encoded, route, reply_to=reply_to, expires_ms=expires_ms)
        task_id, tag = message.task_id, identity.new_id()
        size = template.size(task_id, tag, values)
        if size > self._settings.max_message_bytes:
            raise InvalidMessage("", f"is {size} bytes; the limit is {self._settings.max_message_bytes}")
        sent = task_sent(encoded, route, identity.sender, clock=next(self._lamport), timestamp=now)
        kind = self._kind(submission, now_ms, template) if submission.record else Kind(route, template=template)
        return Entry(task_id, tag, kind, values, sent, submission.claim)

    def ready_planned(self, planned: Planned) -> Entry:
        """Make ready to be recorded what a worker will send.

        Raises:
            InvalidMessage: its queue is a key of Petiole's.
        """
        self.check_queue(planned.route.queue)
        at_ms = int(self._identity.clock() * 1000)
        kind = Kind(
            planned.route,
            BY_A_WORKER,
            first=submitted_update(at_ms),
            task=planned.task,
            at_ms=at_ms,
            more=_more(planned),
        )
        return Entry(planned.task_id, self._identity.new_id(), kind)

    def _kind(self, submission: Submission, now_ms: int, template: Template) -> Kind:
        message, second, due = submission.message, b"", NOW
        eta_ms = None if message.eta is None else milliseconds(message.eta)
        if eta_ms is not None and eta_ms - now_ms > self._settings.hold_after * 1000:
            second, due = first_update(Status.SCHEDULED, now_ms, eta_ms), eta_ms
        more = _more(submission, eta_ms)
        if not (more or second):
            return _plain_kind(submission.route, message.task, now_ms, template)
        return Kind(
            submission.route, due, submitted_update(now_ms, eta_ms), second, message.task, now_ms, more, template
        )

    async def accept(self, batch: Batch, *, after: Sequence[Command] = ()) -> Sequence[Outcome]:
        """One call of the script; what became of each of the tasks. When they are `together` all are accepted, or none.

        What the tasks need to be there goes in front of them: `after` these commands, in the same round trip.

        When the connection breaks before the answer the call is made once more for what is recorded, which is safe
        since each such entry is known by its tag. A server that does not answer in time is not asked again.

        Raises:
            BrokerUnavailable: Redis did not answer; which tasks were queued is unknown.
        """
        try:
            return await self._run(batch, after)
        except BrokerUnavailable as error:
            recorded = [entry for entry in batch.entries if entry.kind.is_recorded]
            apart = batch.together and len(recorded) < len(batch.entries)
            if isinstance(error.__cause__, TimeoutError) or not recorded or apart:
                raise
            outcomes = iter(await self._again(self.batch(recorded, together=batch.together), after, error))
            return [next(outcomes) if entry.kind.is_recorded else in_doubt(error, entry) for entry in batch.entries]

    async def _again(self, batch: Batch, after: Sequence[Command], before: BrokerUnavailable) -> Sequence[Outcome]:
        try:
            return await self._run(batch, after)
        except BrokerUnavailable as error:
            if before.undone or not error.undone:
                raise
            raise before from before.__cause__  # that Redis is not reached now says nothing of the first time

    async def _run(self, batch: Batch, after: Sequence[Command]) -> Sequence[Outcome]:
        entries = batch.entries
        outcomes: Sequence[int | bytes] = await self._redis.run(self._script, batch.keys, batch.args, after=after)
        accepted = outcomes.count(_ACCEPTED)
        if accepted == len(entries):
            return [entry.task_id for entry in entries]
        pairs = list(zip(entries, outcomes, strict=True))
        await self.announce([entry for entry, outcome in pairs if outcome == _ACCEPTED])
        return [self._told(entry, outcome) for entry, outcome in pairs]

    async def announce(self, accepted: Sequence[Entry]) -> None:
        """Publish that these were sent, where the script did not: not all that it was given was accepted."""
        with contextlib.suppress(BrokerUnavailable, ClientClosed, PublisherBusy):  # a hint; the tasks are queued
            for channel, message in self._announcements(accepted):
                await self._redis.execute("PUBLISH", channel, message)

    def _announcements(self, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
        """Channel and message of what is told of tasks that were accepted, some at a time."""
        sender, events = self._identity.sender, [entry.sent for entry in entries if entry.sent]
        for at in range(0, len(events), TOLD_AT_ONCE):
            some, tag = events[at : at + TOLD_AT_ONCE], self._identity.new_id()
            event_type, message = seal_task_sent(some, sender, delivery_tag=tag)
            yield self.names.event_channel(event_type), message

    def _told(self, entry: Entry, outcome: int | bytes) -> Outcome:
        if isinstance(outcome, bytes):
            return Replayed(outcome.decode(errors="replace"))
        return entry.task_id if outcome >= _ACCEPTED else self._refusal(entry, outcome)

    def _refusal(self, entry: Entry, outcome: int) -> PetioleError:
        queue = entry.kind.route.queue
        if outcome == _SATURATED:
            return QueueSaturated(queue, self._settings.max_queue_depth)
        if outcome == _NO_LIST:
            return InvalidMessage("/options/queue", f"{queue!r} is a key of another kind in Redis")
        if outcome == _REUSED and entry.claim:
            return IdempotencyKeyReused(entry.claim.key)
        if outcome == _PAUSED:
            return QueuePaused(queue)
        if outcome in _OF_THE_TASK:
            return _OF_THE_TASK[outcome](entry.task_id)
        return UnreadableBytes(f"A key of the task {entry.task_id!r} is of another kind in Redis. It was not queued.")

    def batch(self, entries: Sequence[Entry], *, together: bool = False) -> Batch:
        """Put tasks into the words of the script."""
        own = self._keys
        keys = [own.live, own.open, own.scheduled, own.queues, own.index, own.owners]
        settings = self._settings
        lists, tasks = kinds_and_tasks(entries, self.names)
        told = [*self._announcements(entries)]
        args: list[Arg] = [
            settings.prefix,
            int(self._identity.clock() * 1000),
            settings.open_ttl,
            settings.live_limit,
            settings.max_queue_depth,
            len(self.names.steps),
            int(together),
            settings.idempotency_ttl,
            *claims_of(entries, own),
            len(told),
            *(part for announcement in told for part in announcement),
        ]
        return Batch(entries, together, keys + lists, args + tasks)


@lru_cache(64)
def _plain_kind(route: Route, task: str, at_ms: int, template: Template) -> Kind:
    """The same one for all of one moment."""
    return Kind(route, first=submitted_update(at_ms), task=task, at_ms=at_ms, template=template)


def _more(one: Submission | Planned, eta_ms: int | None = None) -> tuple[Arg, ...]:
    """Fields of a record, and their values, that most have not. What is usual is left out, to save Redis memory."""
    if not (one.owner or one.facts or one.route.priority or one.tags or eta_ms):
        return ()
    more: list[Arg] = ["owner", one.owner] if one.owner else []
    for fact in one.facts.items():
        more += fact
    if one.route.priority:
        more += ("priority", one.route.priority)
    if one.tags:
        more += ("tags", compact(list(one.tags)))
    if eta_ms:
        more += ("eta", eta_ms)
    return tuple(more)
