"""The launcher: workflows, planned and set going. Their first messages are queued; workers send the rest."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from bridge.errors import BrokerUnavailable, DuplicateTask, HeldBack, PetioleError
from bridge.ids import ids_from
from bridge.parts import Parts
from bridge.protocol.canvas import Canvas, Plan, Sending, plan
from bridge.protocol.canvas.check import chosen_ids, queues
from bridge.protocol.canvas.results import ResultNode
from bridge.redis import Command
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import NO_FACTS, Facts, Replayed, Submission
from bridge.submit.entry import Entry
from bridge.submit.idempotency import Claim, check_key, fingerprint_of_workflow
from bridge.submit.planned_steps import planned_steps

AT_ONCE = 1_000
"""Messages of one workflow that wait for their round trip at once."""


class Begun(NamedTuple):
    """A workflow that has begun: now or, when it is `replayed`, before. `cursor` is where the feed was until then."""

    batch: str
    cursor: str
    result: ResultNode
    replayed: bool = False


class Launcher:
    """Starts workflows for the owner that its parts are for."""

    def __init__(self, settings: BridgeSettings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts

    async def start(self, canvas: Canvas, *, record: bool) -> ResultNode:
        """Queue a workflow; its result. Raises what `TaskClient.start` raises."""
        planned = self._plan(await self._parts.bindings.routed_canvas(canvas))
        entries = self._ready(planned, NO_FACTS, record=record)
        later = self._later(planned.result, entries, NO_FACTS) if record else []
        if len(entries) + len(later) > self._settings.submit_batch:
            await self._check_later(later, set(chosen_ids(canvas)))
        await self._send(entries, later, self._parts.backend.chord_commands(planned.keys))
        return planned.result

    async def start_batch(self, canvas: Canvas, batch: str, key: str | None = None) -> Begun:
        """Queue a workflow as one batch, and record its later steps. All of it is done, or nothing.

        When the idempotency `key` came before with the same workflow, that one is told.
        """
        cursor, facts = await self._parts.feed.end(), {"batch": batch}
        sent = await self._parts.bindings.routed_canvas(canvas)
        planned = self._plan(sent, batch)
        entries = self._ready(planned, facts, record=True)
        entries += self._later(planned.result, entries, facts)
        if key is not None and entries:
            entries[0] = entries[0]._replace(claim=self._claim(key, canvas, f"{batch} {cursor}"))
        before = await self._send_together(entries, self._parts.backend.chord_commands(planned.keys))
        if before is None:
            return Begun(batch, cursor, planned.result)
        batch, _, cursor = before.rpartition(" ")
        return Begun(batch, cursor, self._plan(sent, batch).result, replayed=True)

    def _claim(self, key: str, canvas: Canvas, answer: str) -> Claim:
        check_key(key, "")
        return Claim(self._parts.owner, key, fingerprint_of_workflow(canvas), answer=answer)

    def _plan(self, canvas: Canvas, batch: str | None = None) -> Plan:
        """All ids that a batch is given follow from its own, so that it can be planned again."""
        sending = Sending(
            new_id=self._parts.new_id if batch is None else partial(next, ids_from(batch)),
            now=datetime.now(UTC),
            queue=self._settings.default_queue,
            reply_to=self._parts.reply_to,
            origin=self._parts.sender.hostname,
            result_expires=self._settings.result_expires,
        )
        planned = plan(canvas, sending)
        for queue in set(queues(canvas)):
            self._parts.publisher.check_queue(queue)
        return planned

    def _ready(self, planned: Plan, facts: Facts, *, record: bool) -> list[Entry]:
        """All are made ready before any is sent: one that cannot be would leave a chord that waits for it."""
        owner = self._parts.owner
        tasks = (
            Submission(message=task.message, route=task.route, tags=task.tags, record=record, owner=owner, facts=facts)
            for task in planned.messages
        )
        return list(map(self._parts.publisher.ready, tasks))

    def _later(self, result: ResultNode, sent: Sequence[Entry], facts: Facts) -> list[Entry]:
        """What workers will send, made ready to be recorded."""
        queue, owner = self._settings.default_queue, self._parts.owner
        known = {entry.task_id for entry in sent}
        steps = planned_steps(result, known, queue=queue, owner=owner, facts=facts)
        return list(map(self._parts.publisher.ready_planned, steps))

    async def _send_together(self, entries: Sequence[Entry], chords: Sequence[Command]) -> str | None:
        """All of them or none. As in `_send`, what a chord counts with goes first.

        What was noted when their key was claimed, if it was before.
        """
        if chords and self._settings.redis_url != self._settings.result_backend_url:
            await self._parts.backend.store(chords)
            chords = ()
        outcomes = await self._parts.publisher.accept(entries, after=chords, together=True)
        for outcome in outcomes:
            if isinstance(outcome, PetioleError) and not isinstance(outcome, HeldBack):
                raise outcome
        first = next(iter(outcomes), None)
        return first.task_id if isinstance(first, Replayed) else None

    async def _send(self, entries: Sequence[Entry], later: Sequence[Entry], chords: Sequence[Command]) -> None:
        """A chord's counter must be there before the first of its tasks can end, or its body never runs.

        What one round trip has room for is sent together. What is more goes bit by bit, since Redis does nothing else
        while it takes one call. The later steps are then recorded last: those that a worker was quicker with are known.
        """
        publisher, size = self._parts.publisher, self._settings.submit_batch
        if (later or chords) and len(entries) + len(later) <= size:
            await self._send_together([*entries, *later], chords)
            return
        await self._parts.backend.store(chords)
        for at in range(0, len(entries), AT_ONCE):
            await gather_all(map(self._sent, entries[at : at + AT_ONCE]))
        with suppress(BrokerUnavailable):  # the workflow has begun; each step is known from its first news on
            for at in range(0, len(later), size):
                await publisher.accept(later[at : at + size])

    async def _check_later(self, later: Sequence[Entry], chosen: Collection[str]) -> None:
        """Check before anything is sent that the steps are new which are recorded after it. Only a caller's id may be
        another task's.

        Raises:
            DuplicateTask: one is a task that is known, or another step.
        """
        task_ids = [entry.task_id for entry in later if entry.task_id in chosen]
        taken = [task_id for task_id, times in Counter(task_ids).items() if times > 1]
        for at in range(0, len(task_ids), AT_ONCE):
            page = task_ids[at : at + AT_ONCE]
            statuses = await self._parts.store.peek(page, ("status",))
            taken += [task_id for task_id, (status,) in zip(page, statuses, strict=True) if status is not None]
        if taken:
            raise DuplicateTask(taken[0])

    async def _sent(self, entry: Entry) -> None:
        await self._parts.publisher.send(entry)


async def gather_all(calls: Iterable[Awaitable[object]]) -> None:
    """Await all of them, whatever becomes of the others; then raise the first error, if there was one."""
    for ended in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
