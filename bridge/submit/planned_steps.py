"""The later steps of a workflow, which workers send: recorded with its first messages, so that each can be followed.

A planned step is ``submitted`` like any other task, but its message does not exist yet. When what it waits for has
ended and will never start it, it is ``cancelled``, unless a worker tells of it: when a task fails, that stores the same
failure for the next steps of its chain and for the body of its chord, and for nothing else. The body is told once all
of the header have ended, and not in every case: not of a task that no worker knows, and not a body that is a chord, or
a chain that ends in a group.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from bridge.protocol.canvas.results import ResultNode, Workflow
from bridge.protocol.compact import compact
from bridge.protocol.news import News
from bridge.protocol.route import Route
from bridge.protocol.state import ENDS, Status
from bridge.records.status_store import StatusStore
from bridge.submit.acceptance import Facts, Planned

PAGE = 256
GRACE_MS = 5_000
"""How long workers have to tell of a step before it is given up."""
TOLD_GRACE_MS = 15_000
"""How long from the end of the whole header, where they do tell, as a rule."""
MOST_AWAITED = 1_000
"""Tasks that one step is known to wait for. Of a larger group the others are not looked at."""


def planned_steps(
    result: ResultNode, sent: Collection[str], *, queue: str, owner: str, facts: Facts
) -> Iterator[Planned]:
    """All tasks that lead to a result but those that were `sent`, each with these facts and with what it waits for.

    One that names no queue goes to `queue`, as far as is known here: workers may have routes of their own.
    """
    for node, before in Workflow(result).with_predecessors():
        if node.id not in sent and node.signature:
            options = node.signature.options
            yield Planned(
                task_id=node.id,
                task=node.signature.task,
                route=Route(queue=options.get("queue", queue), priority=options.get("priority", 0)),
                tags=node.signature.tags,
                facts={**facts, **_waits(node, before)},
                owner=owner,
            )


def _waits(node: ResultNode, before: ResultNode | None) -> Facts:
    """What it waits for, and whether it is the body of a chord, which a worker tells that the header has failed."""
    waits: dict[str, str | int] = {"awaits": compact(list(islice(before.ends(), MOST_AWAITED)))} if before else {}
    return {**waits, "told": 1} if node.parent is not None and node.parent.children is not None else waits


class PlannedSteps:
    """Looks after planned steps. Every method raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, store: StatusStore) -> None:
        self._store = store

    async def conclude(self, at_ms: int) -> int:
        """Find those that will never run; how many. One that waits for another of them is found the next time."""
        found = 0
        async for page in self._store.planned():
            rows = dict(zip(page, await self._store.peek(page, ("status", "awaits", "told")), strict=True))
            waiting = {
                task_id: (json.loads(awaits), bool(told))
                for task_id, (status, awaits, told) in rows.items()
                if status == Status.SUBMITTED and awaits
            }
            hopeless = await self._hopeless(waiting, at_ms)
            moved = await self._store.advance([_never(*one, at_ms) for one in hopeless])
            found += sum(outcome.seq > 0 for outcome in moved)
            await self._store.forget_planned([task_id for task_id in page if task_id not in waiting])
        return found

    async def _hopeless(self, waiting: Mapping[str, tuple[list[str], bool]], at_ms: int) -> list[tuple[str, str]]:
        """Of steps, each with what it waits for, those that wait in vain, and why."""
        awaited = list(dict.fromkeys(chain.from_iterable(awaits for awaits, _ in waiting.values())))
        fields = ("status", "finished_at")
        rows = [await self._store.peek(awaited[at : at + PAGE], fields) for at in range(0, len(awaited), PAGE)]
        known = {
            task_id: _Awaited(task_id, status, int(finished_at or 0))
            for task_id, (status, finished_at) in zip(awaited, chain.from_iterable(rows), strict=True)
        }
        found = []
        for task_id, (awaits, is_told) in waiting.items():
            if stopped := _stopped([known[one] for one in awaits], is_told, at_ms):
                found.append((task_id, f"it waits for {stopped.task_id}, which is {stopped.status}"))
        return found


class _Awaited(NamedTuple):
    """A task that a step waits for. Its status is None when its record has gone."""

    task_id: str
    status: str | None
    finished_at: int


def _stopped(awaited: Sequence[_Awaited], is_told: bool, at_ms: int) -> _Awaited | None:
    """The task because of which a step will never run, once workers have had their time to tell of the step."""
    given_up = [one for one in awaited if one.status in ENDS and one.finished_at <= at_ms - GRACE_MS]
    stopped = [one for one in given_up if one.status != Status.SUCCEEDED]
    if is_told and any(one.status == Status.FAILED for one in stopped):
        open_ones = [one for one in awaited if one.status is not None and one.status not in ENDS]
        if open_ones or max(one.finished_at for one in awaited) > at_ms - TOLD_GRACE_MS:
            return None
    return next(iter(stopped), None)


def _never(task_id: str, reason: str, at_ms: int) -> News:
    error = {"type": "NeverStarted", "message": reason}
    return News(task_id=task_id, status=Status.CANCELLED, at_ms=at_ms, details={"error": error}, spares_running=True)
