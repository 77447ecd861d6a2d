"""The producer: what callers ask for, made into task messages and handed to the publisher."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial

from bridge.acceptance import NO_FACTS, Entry, Facts, Replayed, Submission
from bridge.bulk import Outcome, submit_all, submit_together
from bridge.call import Asked, Call, call_of
from bridge.errors import HeldBack, NotAccepted, PetioleError
from bridge.idempotency import Claim, fingerprint
from bridge.options import DEFAULTS, Options
from bridge.parts import Parts
from bridge.planned_steps import PlannedStep, PlannedSteps, planned_steps
from bridge.protocol.canvas import Canvas, Sending, plan
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.route import Route
from bridge.redis import Command
from bridge.settings import BridgeSettings

AT_ONCE = 1_000
"""Messages of one workflow that wait for their round trip at once."""


class Producer:
    """Submits what `TaskClient` is asked to, for the owner that its parts are for."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._origin = parts.sender.hostname

    async def submit(self, call: Call) -> str | Replayed:
        """Queue one task; its id. Raises what `TaskClient.submit` raises."""
        submission = await self._submission(call)
        return await self._parts.publisher.publish(submission) or submission.message.task_id

    async def submit_many(
        self, calls: Iterable[Asked] | AsyncIterable[Asked], *, batch: str | None, atomic: bool
    ) -> list[Outcome]:
        """Queue many tasks; see `TaskClient.submit_many`."""
        publisher = self._parts.publisher
        facts = {"batch": batch} if batch else NO_FACTS

        async def ready(asked: Asked) -> Entry:
            return publisher.ready(await self._submission(call_of(asked), facts))

        if atomic:
            return await submit_together(calls, ready, partial(publisher.accept, together=True))
        return await submit_all(calls, ready, publisher.accept, size=self._settings.submit_batch)

    async def _submission(self, call: Call, facts: Facts = NO_FACTS) -> Submission:
        options = Options.of(call.options) if call.options else DEFAULTS
        if options.exchange is not None or options.routing_key is not None:
            options = await self._parts.bindings.routed(options)
        message = options.message(
            call, task_id=options.task_id or self._parts.new_id(), origin=self._origin, now=datetime.now(UTC)
        )
        queue = options.queue if options.queue is not None else self._settings.default_queue
        return Submission(
            message=message,
            route=_route(queue, options.priority),
            tags=options.tags,
            facts=facts,
            record=options.record,
            reply_to=options.reply_to,
            owner=self._parts.owner,
            claim=self._claim(options.idempotency_key, call),
        )

    def _claim(self, key: str | None, call: Call) -> Claim | None:
        return None if key is None else Claim(self._parts.owner, key, fingerprint(call))

    async def start(self, canvas: Canvas, *, record: bool, batch: str | None = None) -> ResultNode:
        """Queue a workflow; its result. Raises what `TaskClient.start` raises.

        With a `batch` all its tasks are of it, and the later ones are recorded as well.
        """
        sending = Sending(
            new_id=self._parts.new_id,
            now=datetime.now(UTC),
            queue=self._settings.default_queue,
            reply_to=self._parts.reply_to,
            origin=self._origin,
        )
        planned = plan(canvas, sending)
        publisher = self._parts.publisher
        owner = self._parts.owner
        facts = {"batch": batch} if batch else NO_FACTS
        tasks = (
            Submission(message=task.message, route=task.route, record=record, owner=owner, facts=facts)
            for task in planned.messages
        )
        # All are made ready before any is sent: one that cannot be would leave a chord that waits for it.
        entries = list(map(publisher.ready, tasks))
        chords = self._parts.backend.chord_commands(planned.keys)
        if batch is None:
            await self._send(entries, chords)
        else:
            later = list(planned_steps(planned.result, {entry.task_id for entry in entries}))
            await self._send_planned(entries, chords, later, {**facts, **({"owner": owner} if owner else {})})
        return planned.result

    async def _send_planned(
        self, entries: Sequence[Entry], chords: Sequence[Command], later: Sequence[PlannedStep], facts: Facts
    ) -> None:
        """Record what comes later first, so that there is no news of a step whose batch is not known."""
        steps = PlannedSteps(self._parts.store)
        await steps.record(later, facts, _now_ms())
        try:
            await self._send_together(entries, chords)
        except NotAccepted as error:
            await steps.give_up(later, str(error), _now_ms())
            raise

    async def _send_together(self, entries: Sequence[Entry], chords: Sequence[Command]) -> None:
        """All of them or none. As in `_send`, what a chord counts with goes first."""
        if chords and self._settings.redis_url != self._settings.result_backend_url:
            await self._parts.backend.store(chords)
            chords = ()
        outcomes = await self._parts.publisher.accept(entries, after=chords, together=True)
        for outcome in outcomes:
            if isinstance(outcome, PetioleError) and not isinstance(outcome, HeldBack):
                raise outcome

    async def _send(self, entries: Sequence[Entry], chords: Sequence[Command]) -> None:
        """A chord's counter must be there before the first of its tasks can end, or its body never runs."""
        publisher, settings = self._parts.publisher, self._settings
        one_database = settings.redis_url == settings.result_backend_url
        if chords and one_database and len(entries) <= settings.submit_batch:
            for outcome in await publisher.accept(entries, after=chords):
                if isinstance(outcome, PetioleError):
                    raise outcome
            return
        await self._parts.backend.store(chords)
        for at in range(0, len(entries), AT_ONCE):
            await gather_all(map(publisher.send, entries[at : at + AT_ONCE]))


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


@lru_cache(1_024)
def _route(queue: str, priority: int) -> Route:
    """The same one for all that goes the same way."""
    return Route(queue=queue, priority=priority)


async def gather_all(calls: Iterable[Awaitable[object]]) -> None:
    """Await all of them, whatever becomes of the others; then raise the first error, if there was one."""
    for ended in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
