"""Asking workers, now and then, for what their heartbeats do not say.

One watcher of all asks. A worker is asked when it appears, and as often after that as `ASK_AGAIN_MS` says; sooner when
it did not reply.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Self, TypeVar

from bridge.errors import InvalidMessage
from bridge.ids import Ids
from bridge.protocol.commands import Command
from bridge.protocol.compact import compact
from bridge.protocol.control import Audience
from bridge.protocol.keys import Keys
from bridge.protocol.values import check_name
from bridge.redis import Redis
from bridge.remote.mailbox import Mailbox, Replies, Wait
from bridge.remote.queues import Queues, WorkerStatus
from bridge.settings import BridgeSettings

ASK_AGAIN_MS = 60_000
"""What a worker told may change."""
ASK_THE_SILENT_MS = 15_000
"""One may be too busy with its task to reply in time."""
REPLY_SECONDS = 2.0
KEEP_SECONDS = 60
"""How long what workers told is kept when no watcher runs any more."""
ASKED_AT_ONCE = 1_000
"""Workers; the rest are asked the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A process that was asked, when, and whether it replied."""

    pid: Any
    at_ms: int
    replied: bool


AskedT = TypeVar("AskedT", bound=Asked)


class Asker(Generic[AskedT]):
    """Remembers whom it asked. `clock_ms` gives milliseconds since 1970; replies are awaited for `reply_seconds`."""

    def __init__(self, redis: Redis, clock_ms: Callable[[], int], reply_seconds: float = REPLY_SECONDS) -> None:
        self._redis = redis
        self._clock_ms = clock_ms
        self._reply_seconds = reply_seconds
        self._keys = Keys(redis.settings.prefix)
        self._queues = Queues(redis, redis.settings)
        self._mailbox = Mailbox(redis, Ids().new)
        self._asked: Mapping[str, AskedT] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: BridgeSettings, clock_ms: Callable[[], int]) -> AsyncIterator[Self]:
        """On a connection of its own, closed at the end of the block."""
        async with Redis.open(settings.broker, settings) as redis:
            yield cls(redis, clock_ms)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} workers={len(self._asked)}>"

    async def _online(self, now_ms: int) -> list[WorkerStatus]:
        """The workers that can be asked."""
        return [worker for worker in await self._queues.workers(now_ms) if worker.online and _is_name(worker)]

    def _due(
        self, workers: Iterable[WorkerStatus], now_ms: int, holds: Callable[[AskedT], bool] = lambda _asked: True
    ) -> list[WorkerStatus]:
        """Those that are to be asked now: also the ones of which what is known no longer `holds`."""
        due = (worker for worker in workers if self._is_old(worker, now_ms, holds))
        return list(islice(due, ASKED_AT_ONCE))

    def _is_old(self, worker: WorkerStatus, now_ms: int, holds: Callable[[AskedT], bool]) -> bool:
        before = self._before(worker)
        if before is None or not holds(before):
            return True
        return now_ms - before.at_ms >= (ASK_AGAIN_MS if before.replied else ASK_THE_SILENT_MS)

    def _before(self, worker: WorkerStatus) -> AskedT | None:
        """What is known of the same process from before."""
        asked = self._asked.get(worker.hostname)
        return asked if asked is not None and asked.pid == pid_of(worker) else None

    async def _replies(self, command: Command, workers: Iterable[WorkerStatus]) -> Replies:
        audience = Audience(destination=[worker.hostname for worker in workers])
        return await self._mailbox.call(command, audience, Wait(timeout=self._reply_seconds))

    def _remember(self, fresh: Mapping[str, AskedT], workers: Iterable[WorkerStatus]) -> None:
        """Whoever was asked now or before; those that are not among `workers` any more are forgotten."""
        there = {worker.hostname for worker in workers}
        self._asked = {name: asked for name, asked in {**self._asked, **fresh}.items() if name in there}

    async def _store(self, key: str, known: Sequence[str] | Mapping[str, Any]) -> int:
        """Store what is known; how much that is."""
        await self._redis.execute("SET", key, compact(known), "EX", KEEP_SECONDS)
        return len(known)


def pid_of(worker: WorkerStatus) -> Any:
    """The process that a heartbeat came from."""
    return worker.heartbeat.get("pid")


def _is_name(worker: WorkerStatus) -> bool:
    try:
        check_name(worker.hostname, "/destination")
    except InvalidMessage:  # anybody may publish a heartbeat
        return False
    return True
