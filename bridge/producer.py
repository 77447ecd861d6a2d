"""The producer: what callers ask for, made into task messages and handed to the publisher."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import count
from typing import Any, NamedTuple

from bridge.errors import CallsBrokeOff, IdempotencyKeyReused, InvalidMessage
from bridge.parts import Parts
from bridge.protocol.route import Route
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import NO_FACTS, Facts, Outcome, Replayed, Submission
from bridge.submit.bindings import ROUTED
from bridge.submit.bulk import raise_first, submit_all, submit_together
from bridge.submit.call import Asked, Call, Calls, call_of
from bridge.submit.entry import Entry
from bridge.submit.idempotency import Claim, check_key, fingerprint
from bridge.submit.options import DEFAULTS, Options


class Queued(NamedTuple):
    """A task that was queued, and what its options said that its handle knows of it."""

    task_id: str
    eta: datetime | None = None
    """When it is to run, if that was put off."""
    replayed: bool = False
    """It was queued before, with the same idempotency key."""
    ignores_result: bool = False


class Producer:
    """Submits what `TaskClient` is asked to, for the owner that its parts are for."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._origin = parts.sender.hostname

    def submit(self, call: Call) -> Awaitable[str | Replayed | Queued]:
        """Queue one task; to be awaited. Raises what `TaskClient.submit` raises, some of it at once."""
        if call.options:
            return self._submit(call)
        return self._parts.publisher.publish(self._submission(call, DEFAULTS))

    async def _submit(self, call: Call) -> Queued:
        options = await self._routed(call)
        submission = self._submission(call, options)
        ignores_result = bool(options.ignore_result)
        queued = Queued(submission.message.task_id, submission.message.eta, ignores_result=ignores_result)
        if submission.route.fanout:
            await self._parts.publisher.broadcast(submission)
            return queued
        answer = await self._parts.publisher.publish(submission)
        if isinstance(answer, Replayed):
            return Queued(answer.task_id, replayed=True, ignores_result=ignores_result)
        return queued

    async def submit_many(
        self, calls: Calls, *, batch: str | None = None, atomic: bool = False, key: str | None = None
    ) -> list[Outcome | Queued]:
        """Queue many tasks; see `TaskClient.submit_many`."""
        publisher, ignoring = self._parts.publisher, set[int]()
        publisher.check()  # so that not each of them is refused for the same reason
        made = self._ready_by_place(key, {"batch": batch} if batch else NO_FACTS, ignoring)
        stop_at = None if key is None else IdempotencyKeyReused
        if atomic:
            outcomes = await submit_together(calls, made, partial(publisher.accept, together=True))
            raise_first(stop_at, outcomes)
            return _noted(outcomes, ignoring)
        try:
            outcomes = await submit_all(
                calls, made, publisher.prepare, size=self._settings.submit_batch, stop_at=stop_at
            )
        except CallsBrokeOff as error:
            error.outcomes = _noted(error.outcomes, ignoring)
            raise
        return _noted(outcomes, ignoring)

    def _ready_by_place(self, key: str | None, facts: Facts, ignoring: set[int]) -> Callable[[Asked], Awaitable[Entry]]:
        """Makes calls ready in their order; of a key each claims the part that is its place.

        The places of those that ignore their results are added to `ignoring`.
        """
        places = count()
        if key is not None:
            check_key(key, "")

        async def ready(asked: Asked) -> Entry:
            place, call = next(places), call_of(asked)
            options = await self._options(call)
            if options.ignore_result:
                ignoring.add(place)
            submission = self._submission(call, options, facts)
            if key is not None:
                claim = Claim(self._parts.owner, key, fingerprint(call), str(place))
                submission = submission._replace(claim=claim)
            return self._parts.publisher.ready(submission)

        return ready

    async def _options(self, call: Call) -> Options:
        """What a call among many is asked with."""
        if not call.options:
            return DEFAULTS
        options = await self._routed(call)
        if options.exchange is not None:
            raise InvalidMessage(
                "/options/exchange", f"{options.exchange!r} is a fanout exchange, which one submit sends one task to"
            )
        return options

    async def _routed(self, call: Call) -> Options:
        """What a call is asked with; exchanges and routing keys, if there are any, as the queues they lead to."""
        options = Options.of(call.options)
        if ROUTED.isdisjoint(vars(options)):
            return options
        return await self._parts.bindings.routed(options)

    def _submission(self, call: Call, options: Options, facts: Facts = NO_FACTS) -> Submission:
        message = options.message(call, task_id=options.task_id or self._parts.new_id(), origin=self._origin, now=_now)
        if call.options:
            for later in options.later_queues():
                self._parts.publisher.check_queue(later)
        owner, claim = self._parts.owner, self._claim(options.idempotency_key, call)
        return Submission(
            message,
            self._route(options),
            options.tags,
            facts,
            options.record,
            options.reply_to,
            owner,
            claim,
        )

    def _route(self, options: Options) -> Route:
        if options.exchange is not None:
            return _route(options.routing_key or "", options.priority, options.exchange)
        queue = options.queue if options.queue is not None else self._settings.default_queue
        return _route(queue, options.priority)

    def _claim(self, key: str | None, call: Call) -> Claim | None:
        return None if key is None else Claim(self._parts.owner, key, fingerprint(call))


def _noted(outcomes: Sequence[Any], ignoring: Collection[int]) -> list[Any]:
    """The outcomes, with what a handle is to know of the tasks at these places."""
    noted = list(outcomes)
    for place in ignoring:
        outcome = noted[place] if place < len(noted) else None
        if isinstance(outcome, str):
            noted[place] = Queued(outcome, ignores_result=True)
        elif isinstance(outcome, Replayed):
            noted[place] = Queued(outcome.task_id, replayed=True, ignores_result=True)
    return noted


@lru_cache(1_024)
def _route(queue: str, priority: int, fanout: str = "") -> Route:
    """The same one for all that goes the same way."""
    return Route(queue=queue, priority=priority, fanout=fanout)


def _now() -> datetime:
    return datetime.now(UTC)
