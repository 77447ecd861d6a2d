"""Listing tasks, the newest first, by pages that stay right while tasks come and go."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from bridge.errors import InvalidMessage, TaskNotFound
from bridge.protocol.keys import Keys
from bridge.protocol.state import Status
from bridge.reading import texts
from bridge.records.status import TaskRecord
from bridge.records.status_store import StatusStore
from bridge.redis import Redis, Script

PAGE = 100
LOOKED_AT = 5_000
"""Tasks that one call looks at, whatever it finds: Redis does nothing else meanwhile."""
FOR_EVER = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks. Each that is given must hold; of several statuses one, of several tags all. Times are ms."""

    statuses: Sequence[Status] = ()
    task: str | None = None
    queue: str | None = None
    batch: str | None = None
    owner: str | None = None
    tags: Sequence[str] = ()
    submitted_from: int = 0
    submitted_before: int = FOR_EVER

    def wanted(self) -> str:
        """What `list.lua` reads."""
        single = {"task": self.task, "queue": self.queue, "batch": self.batch, "owner": self.owner}
        wanted: dict[str, list[str]] = {name: [value] for name, value in single.items() if value is not None}
        if self.statuses:
            wanted["status"] = list(self.statuses)
        if self.tags:
            wanted["tags"] = list(self.tags)
        return json.dumps(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the last task that was looked at, and when it was submitted (ms)."""

    task_id: str = ""
    time: int = 0

    def __str__(self) -> str:
        return f"{self.time}.{self.task_id}"

    @classmethod
    def of(cls, text: str) -> Self:
        """The cursor that was written so.

        Raises:
            InvalidMessage: it was not.
        """
        time, dot, task_id = text.partition(".")
        if not (dot and task_id and time.isascii() and time.isdigit() and len(time) <= len(str(FOR_EVER))):
            raise InvalidMessage("/cursor", "is no cursor; send one that an earlier page gave, or none")
        return cls(task_id=task_id, time=int(time))


START = Cursor()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Tasks, the newest first. With `next` there may be more, also when this page has fewer than asked for, or none."""

    tasks: Sequence[TaskRecord] = field(default_factory=tuple)
    next: Cursor | None = None


class TaskList:
    """The tasks that are recorded."""

    def __init__(self, redis: Redis, store: StatusStore, prefix: str, owner: str = "") -> None:
        self._redis = redis
        self._store = store
        self._prefix = prefix
        self._owner = owner
        self._script = Script("list")

    def of(self, owner: str) -> Self:
        """The tasks of one owner; all tasks for ``""``."""
        return type(self)(self._redis, self._store.of(owner), self._prefix, owner)

    async def page(self, which: TaskFilter, after: Cursor = START, *, limit: int = PAGE) -> TaskPage:
        """A page of tasks after the cursor.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        if self._owner:
            which = replace(which, owner=self._owner)
        index = Keys(self._prefix).index_of(self._owner)
        bounds = (which.submitted_from, which.submitted_before)
        args = (self._prefix, after.task_id, after.time, limit, LOOKED_AT, *bounds, which.wanted())
        last_id, last_time, *ids = await self._redis.run(self._script, [index], args)
        found = await asyncio.gather(*map(self._if_there, texts(ids, index)))
        following = Cursor(task_id=last_id.decode(errors="replace"), time=int(last_time)) if last_id else None
        return TaskPage(tasks=[record for record in found if record], next=following)

    async def _if_there(self, task_id: str) -> TaskRecord | None:
        try:
            return await self._store.record(task_id)
        except TaskNotFound:  # it has gone since
            return None
