"""Replays: tasks run again, each as a new task with the message that was stored with the first one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.errors import InvalidMessage, PayloadGone, TaskNotFound
from bridge.parts import Parts
from bridge.protocol.message import TaskMessage
from bridge.protocol.replay import again
from bridge.protocol.route import Route
from bridge.records.status import TaskRecord
from bridge.submit.acceptance import Outcome, Replayed, Submission
from bridge.submit.bulk import submit_all
from bridge.submit.call import Call
from bridge.submit.entry import Entry
from bridge.submit.idempotency import Claim, check_key, fingerprint_of_replay
from bridge.submit.options import Options

CHANGEABLE = frozenset(
    {"queue", "priority", "countdown", "eta", "expires", "time_limit", "soft_time_limit", "task_id", "tags"}
)
"""Options that a replay may have others of. The rest stands in the stored message, and stays."""
UNCHANGED = Call("", None, None)
"""No changes. Of a call that says what to change the task's name does not matter, and None leaves arguments as they
were."""


class Replays:
    """Runs tasks again, for the owner that its parts are for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __repr__(self) -> str:
        return f"<Replays {self._parts.publisher!r}>"

    async def replay(self, task_id: str, changes: Call = UNCHANGED) -> str:
        """Run a task again; the id of the new one. It has the stored message, byte by byte, but for the arguments and
        options in `changes`.

        Raises:
            TaskNotFound: the task is not known.
            PayloadGone: its message is not kept.
            InvalidMessage: an option cannot be changed, or what is new would harm a worker.
            DuplicateTask, QueuePaused, QueueSaturated, PublisherBusy: the new task was not accepted.
            BrokerUnavailable: Redis does not answer.
        """
        entry = await self._ready(await self._parts.store.record(task_id), changes, None)
        await self._parts.publisher.send(entry)
        return entry.task_id

    async def replay_once(self, task_id: str, key: str, changes: Call = UNCHANGED) -> str | Replayed:
        """The same, and of those with the same idempotency key one is queued: the others are `Replayed`, also when the
        message is not kept any more.

        Raises what `replay` raises, and:
            IdempotencyKeyReused: the key came before with another task, or other changes.
        """
        claim = self._claim(task_id, changes, key)
        try:
            entry = await self._ready(await self._parts.store.record(task_id), changes, claim)
        except (TaskNotFound, PayloadGone):
            earlier = await self._before(claim)
            if earlier is None:
                raise
            return earlier
        return await self._parts.publisher.send(entry)

    async def replay_many(self, records: Sequence[TaskRecord], *, key: str | None = None) -> list[Outcome]:
        """Run tasks again as they were, a hundred or so in a round trip; for each the new id, or why not.

        With an idempotency `key` for all of them each claims a part of it by its id: what was run again before with the
        same key is `Replayed`.
        """

        def claim(record: TaskRecord) -> Claim | None:
            return self._claim(record.task_id, UNCHANGED, key, record.task_id)

        async def ready(record: TaskRecord) -> Entry:
            return await self._ready(record, UNCHANGED, claim(record))

        size = self._parts.store.settings.submit_batch
        outcomes = await submit_all(records, ready, self._parts.publisher.prepare, size=size)
        return [
            (await self._before(claim(record)) or outcome) if isinstance(outcome, PayloadGone) else outcome
            for record, outcome in zip(records, outcomes, strict=True)
        ]

    def _claim(self, task_id: str, changes: Call, key: str | None, part: str = "") -> Claim | None:
        if key is None:
            return None
        check_key(key, "")
        return Claim(self._parts.owner, key, fingerprint_of_replay(task_id, changes), part)

    async def _before(self, claim: Claim | None) -> Replayed | None:
        """The replay that came before with the same claim, if there was one: its message may be gone since then."""
        task_id = await self._parts.claims.task_of(claim) if claim else None
        return Replayed(task_id) if task_id else None

    async def _ready(self, record: TaskRecord, changes: Call, claim: Claim | None) -> Entry:
        options = _options(changes.options)
        payload = await self._parts.store.payload(record.task_id)
        if not payload:
            raise PayloadGone(record.task_id, record.status)
        encoded = again(payload, self._asked(changes, options), _arguments(changes))
        submission = Submission(
            message=encoded.message,
            route=Route(
                queue=options.queue or record.queue or self._parts.store.settings.default_queue,
                priority=options.priority if "priority" in changes.options else record.priority,
            ),
            tags=options.tags if "tags" in changes.options else record.tags,
            facts={"replay_of": record.task_id},
            owner=self._parts.owner or record.owner,
            claim=claim,
            encoded=encoded,
        )
        return self._parts.publisher.ready(submission)

    def _asked(self, changes: Call, options: Options) -> TaskMessage:
        """What is asked for, checked as a submit is; the task's name is that of the stored message."""
        return options.message(
            changes._replace(task="any"),
            task_id=options.task_id or self._parts.new_id(),
            origin=self._parts.sender.hostname,
            now=lambda: datetime.now(UTC),
        )


def _options(given: Mapping[str, Any]) -> Options:
    for name in given:
        if name not in CHANGEABLE:
            raise InvalidMessage(f"/options/{name}", f"stays as it was; there are {', '.join(sorted(CHANGEABLE))}")
    return Options.of(given)


def _arguments(changes: Call) -> dict[str, Any]:
    given = {"args": changes.args, "kwargs": changes.kwargs}
    return {name: value for name, value in given.items() if value is not None}
