"""The status store: records, histories, the live feed and the watchlist, moved together by one script."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from bridge.batching import Batcher
from bridge.errors import TaskNotFound
from bridge.protocol.keys import Keys
from bridge.protocol.news import Fields, News
from bridge.protocol.state import ENDS, TABLE_FOR_SCRIPTS, Status
from bridge.redis import Arg, Redis, Reply, Script
from bridge.settings import BridgeSettings
from bridge.status import StatusUpdate, TaskRecord

_READS_A_TRIP = 64
_WHOLE = -1
_UNKNOWN = -1
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
    ended: bool
    updates: Sequence[StatusUpdate]


class StatusStore:
    """What is known of tasks. Every method raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self.settings = settings
        self._keys = Keys(settings.prefix)
        self._advance, self._read, self._release = Script("advance"), Script("read"), Script("release")
        self._reads: Batcher[tuple[str, int], Reply] = Batcher(
            self._read_many, size=_READS_A_TRIP, limit=settings.max_pending_submits
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A store whose reads of one moment share a round trip."""
        store = cls(redis, settings)
        async with store._reads:
            yield store

    async def advance(self, news: Sequence[News]) -> list[Advanced]:
        """Move tasks forward; an outcome for each piece of news, in order."""
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
        reply = await self._redis.run(self._advance, [keys.live, keys.open, keys.scheduled], args)
        return [
            Advanced(seq=max(outcome, 0), attempt=attempt, status=status.decode(), known=outcome != _UNKNOWN)
            for outcome, attempt, status in reply
        ]

    async def record(self, task_id: str) -> TaskRecord:
        """What is known of a task now.

        Raises:
            TaskNotFound: nothing is.
        """
        reply = await self._reads.call((task_id, _WHOLE))
        if not reply:
            raise TaskNotFound(task_id)
        life_left, last, *flat = reply
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        return TaskRecord.read(task_id, fields, last or None, life_left if life_left > 0 else None)

    async def read_after(self, task_id: str, after: int) -> Missed:
        """The updates with a seq above `after`, as of one moment.

        Raises:
            TaskNotFound: the task is not known.
        """
        reply = await self._reads.call((task_id, after))
        if not reply:
            raise TaskNotFound(task_id)
        seq, dropped, status, texts = reply
        first = seq - len(texts) + 1
        updates = [StatusUpdate(task_id=task_id, seq=first + at, text=text) for at, text in enumerate(texts)]
        return Missed(seq=seq, dropped=dropped, ended=status.decode() in ENDS, updates=updates)

    async def _read_many(self, wanted: Sequence[tuple[str, int]]) -> Sequence[Reply]:
        args = [part for pair in wanted for part in pair]
        replies: Sequence[Reply] = await self._redis.run(self._read, [], [self.settings.prefix, *args])
        return replies

    async def note(self, task_id: str, facts: Fields, at_ms: int) -> None:
        """Note facts in a record, if there is one, without moving the task: what was noted first stays."""
        # No task moves back to "submitted", so this news has no effect but its facts.
        await self.advance([News(task_id=task_id, status=Status.SUBMITTED, at_ms=at_ms, attempt=1, facts=facts)])

    async def open_tasks(self) -> AsyncIterator[list[str]]:
        """Pages of ids of the tasks that have not ended.

        From the end of the watchlist to its start: a task that leaves it meanwhile, or moves to its end, shifts only
        what was read already, so none is passed over.
        """
        stop = int(await self._redis.execute("ZCARD", self._keys.open))
        while stop > 0:
            start = max(stop - _PAGE, 0)
            page = await self._redis.execute("ZRANGE", self._keys.open, start, stop - 1)
            yield [task_id.decode() for task_id in page]
            stop = start

    async def forget_open(self, older_than_ms: int) -> int:
        """Take tasks off the watchlist whose record has gone since it had no news for its whole life."""
        return int(await self._redis.execute("ZREMRANGEBYSCORE", self._keys.open, "-inf", older_than_ms))

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
