"""The status store: records, histories, the live feed and the watchlist, moved together by one script."""

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from bridge.batching import Batcher
from bridge.errors import TaskExpired, TaskNotFound, UnreadableBytes
from bridge.protocol.keys import Keys
from bridge.protocol.news import Fields, News, update_text
from bridge.protocol.state import ENDS, TABLE_FOR_SCRIPTS, Status
from bridge.reading import reading, texts
from bridge.records.status import StatusUpdate, TaskRecord
from bridge.redis import Arg, Redis, Reply, Script
from bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)
_READS_A_TRIP = 64
_WHOLE = -1
_UNKNOWN, _BROKEN = -1, -2
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """What became of a piece of news: the seq of the update it made, or 0; the task's attempt and status after it."""

    seq: int
    attempt: int
    status: str
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What a reader missed. `dropped` updates at the start are not kept any more; `seq` is the latest there is."""

    seq: int
    dropped: int
    status: Status
    updates: Sequence[StatusUpdate]

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self.status in ENDS


class StatusStore:
    """What is known of tasks. Every method raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self.settings = settings
        self._keys = Keys(settings.prefix)
        self._advance, self._read, self._release = Script("advance"), Script("read"), Script("release")
        self.owner = ""
        """Whose tasks alone are read; all tasks are for ``""``."""
        self._reads: Batcher[tuple[str, int, str], Reply] = Batcher(
            self._read_many, size=_READS_A_TRIP, limit=settings.max_pending_submits
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A store whose reads of one moment share a round trip."""
        store = cls(redis, settings)
        async with store._reads:
            yield store

    def of(self, owner: str) -> Self:
        """This store, in whose reads by id tasks of others do not exist: they raise `TaskNotFound`. ``""`` is for all.

        What writes does not ask: read the record first.
        """
        theirs = copy.copy(self)
        theirs.owner = owner
        return theirs

    async def advance(self, news: Sequence[News]) -> list[Advanced]:
        """Move tasks forward; an outcome for each piece of news, in order.

        News of a task whose keys are not as they should be is dropped, and logged.
        """
        settings, keys = self.settings, self._keys
        args: list[Arg] = [
            settings.prefix,
            TABLE_FOR_SCRIPTS,
            settings.open_ttl,
            settings.ended_ttl,
            settings.live_limit,
            settings.history_limit,
        ]
        for one in news:
            args += one.script_args()
        reply = await self._redis.run(self._advance, [keys.live, keys.open, keys.scheduled, keys.index], args)
        return [_advanced(one.task_id, *outcome) for one, outcome in zip(news, reply, strict=True)]

    async def record(self, task_id: str) -> TaskRecord:
        """What is known of a task now.

        Raises:
            TaskNotFound: nothing is; `TaskExpired` when something was.
            UnreadableBytes: somebody else wrote into Petiole's keys.
        """
        life_left, last, *flat = await self._answer(task_id, _WHOLE)
        with reading(self._keys.record(task_id)):
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            return TaskRecord.read(task_id, fields, update_text(last) or None, life_left if life_left > 0 else None)

    async def check_owner(self, task_id: str) -> None:
        """For who asks elsewhere, where owners are not known: raises as `record` does, if this store is for one."""
        if self.owner:
            await self.record(task_id)

    async def _answer(self, task_id: str, after: int) -> list[Reply]:
        reply: list[Reply] | bytes | None = await self._reads.call((task_id, after, self.owner))
        if not reply:
            raise await self._missing(task_id)
        if isinstance(reply, bytes):
            raise UnreadableBytes(f"not {self._keys.record(task_id)}, or its history: {reply.decode(errors='replace')}")
        return reply

    async def payload(self, task_id: str) -> bytes | None:
        """The message of a task, while it is kept: until it has succeeded. It does not ask whose the task is."""
        found: bytes | None = await self._redis.execute("HGET", self._keys.record(task_id), "payload")
        return found

    async def read_after(self, task_id: str, after: int) -> Missed:
        """The updates with a seq above `after`, as of one moment.

        Raises:
            TaskNotFound: the task is not known; `TaskExpired` when it was.
            UnreadableBytes: somebody else wrote into Petiole's keys.
        """
        seq, dropped, status, stored = await self._answer(task_id, after)
        first = seq - len(stored) + 1
        with reading(self._keys.record(task_id)):
            updates = [
                StatusUpdate(task_id=task_id, seq=first + at, text=update_text(text)) for at, text in enumerate(stored)
            ]
            return Missed(seq=seq, dropped=dropped, status=Status(status.decode()), updates=updates)

    async def _missing(self, task_id: str) -> TaskNotFound:
        was_there = await self._redis.execute("ZSCORE", self._keys.index_of(self.owner), task_id)
        return TaskNotFound(task_id) if was_there is None else TaskExpired(task_id)

    async def _read_many(self, wanted: Sequence[tuple[str, int, str]]) -> Sequence[Reply]:
        args = [part for one in wanted for part in one]
        replies: Sequence[Reply] = await self._redis.run(self._read, [], [self.settings.prefix, *args])
        return replies

    async def note(self, task_id: str, facts: Fields, at_ms: int) -> None:
        """Note facts in a record, if there is one, without moving the task: what was noted first stays."""
        # No task moves back to "submitted", so this news has no effect but its facts.
        await self.advance([News(task_id=task_id, status=Status.SUBMITTED, at_ms=at_ms, attempt=1, facts=facts)])

    async def note_cancel(self, task_id: str, reason: str, terminate: str, at_ms: int) -> None:
        """Note that somebody asked to cancel a task: why, and which signal ends it if it runs ('' for none)."""
        await self.note(task_id, {"cancel": reason} | ({"terminate": terminate} if terminate else {}), at_ms)

    async def open_tasks(self, *, quiet_since: int | None = None) -> AsyncIterator[list[str]]:
        """Pages of ids of the tasks that have not ended; of those alone that had no news since a time, if one is given.

        From the end of the watchlist to its start: a task that leaves it meanwhile, or moves to its end, shifts only
        what was read already, so none is passed over.
        """
        latest = "+inf" if quiet_since is None else quiet_since
        stop = int(await self._redis.execute("ZCOUNT", self._keys.open, "-inf", latest))
        while stop > 0:
            start = max(stop - _PAGE, 0)
            page = await self._redis.execute("ZRANGE", self._keys.open, start, stop - 1)
            yield texts(page, self._keys.open)
            stop = start

    async def planned(self) -> AsyncIterator[list[str]]:
        """Pages of ids of what is planned, from the end to the start, so that those read may be taken out."""
        stop = int(await self._redis.execute("ZCARD", self._keys.planned))
        while stop > 0:
            start = max(stop - _PAGE, 0)
            page = await self._redis.execute("ZRANGE", self._keys.planned, start, stop - 1)
            yield texts(page, self._keys.planned)
            stop = start

    async def forget_planned(self, task_ids: Sequence[str]) -> None:
        """These have started, or ended."""
        if task_ids:
            await self._redis.execute("ZREM", self._keys.planned, *task_ids)

    async def peek(self, task_ids: Sequence[str], fields: Sequence[str]) -> list[list[str | None]]:
        """These fields of each record, as texts, in order; None where there is none, or no record."""
        asked = (self._redis.execute("HMGET", self._keys.record(task_id), *fields) for task_id in task_ids)
        rows: list[list[bytes | None] | BaseException] = await asyncio.gather(*asked, return_exceptions=True)
        return [_texts(row, len(fields)) for row in rows]

    async def last_news(self, task_ids: Sequence[str]) -> list[int]:
        """When each task had its last news (ms); 0 for those that are not open."""
        times = await self._redis.execute("ZMSCORE", self._keys.open, *task_ids) if task_ids else []
        return [int(float(time or 0)) for time in times]

    async def forget_open(self, older_than_ms: int) -> int:
        """Take tasks off the watchlist whose record has gone since it had no news for its whole life."""
        return int(await self._redis.execute("ZREMRANGEBYSCORE", self._keys.open, "-inf", older_than_ms))

    async def forget_gone(self, now_ms: int) -> int:
        """Take out of the indexes tasks whose record has gone, some time after that; how many in all indexes."""
        owners = texts(await self._redis.execute("SMEMBERS", self._keys.owners), self._keys.owners)
        latest = now_ms - (self.settings.ended_ttl + self.settings.tombstone_ttl) * 1000
        return sum([await self._forget_gone(self._keys.index_of(owner), latest) for owner in ("", *owners)])

    async def _forget_gone(self, index: str, latest: int) -> int:
        forgotten = start = 0
        while page := await self._redis.execute("ZRANGEBYSCORE", index, "-inf", latest, "LIMIT", start, _PAGE):
            there = await asyncio.gather(
                *(self._redis.execute("EXISTS", self._keys.record("").encode() + task_id) for task_id in page)
            )
            gone = [task_id for task_id, is_there in zip(page, there, strict=True) if not is_there]
            start += len(page) - len(gone)
            if gone:
                forgotten += int(await self._redis.execute("ZREM", index, *gone))
        return forgotten

    async def release_due(self, now_ms: int) -> int:
        """Hand tasks whose time has come to their queues; how many."""
        total = 0
        while released := int(
            await self._redis.run(
                self._release, [self._keys.scheduled, self._keys.open], [self.settings.prefix, now_ms, _PAGE]
            )
        ):
            total += released
        return total


def _texts(row: list[bytes | None] | BaseException, count: int) -> list[str | None]:
    if isinstance(row, UnreadableBytes):  # a key of another kind is in the way of one task
        return [None] * count
    if isinstance(row, BaseException):
        raise row
    return [None if value is None else value.decode(errors="replace") for value in row]


def _advanced(task_id: str, outcome: int, attempt: int, status: bytes) -> Advanced:
    if outcome == _BROKEN:
        logger.warning("news of task %s cannot be recorded: %s", task_id, status.decode(errors="replace"))
        return Advanced(seq=0, attempt=0, status="", known=True)
    return Advanced(
        seq=max(outcome, 0), attempt=attempt, status=status.decode(errors="replace"), known=outcome != _UNKNOWN
    )
