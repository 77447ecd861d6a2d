"""Asks workers what their heartbeats do not say: which queues they take tasks from, and how large their pools are."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from bridge.errors import InvalidMessage
from bridge.ids import Ids
from bridge.mailbox import Mailbox, Replies, Wait
from bridge.protocol.commands import Command
from bridge.protocol.compact import compact
from bridge.protocol.control import Audience
from bridge.protocol.keys import Keys
from bridge.protocol.values import check_name
from bridge.queues import Queues, WorkerStatus
from bridge.redis import Redis
from bridge.settings import BridgeSettings

ASK_AGAIN_MS = 60_000
"""A worker is asked when it appears, when a queue was paused or resumed, and as often after that."""
REPLY_SECONDS = 2.0
KEEP_SECONDS = 60
"""How long what is known is kept when no watcher runs any more."""
ASKED_AT_ONCE = 1_000
ACTIVE_QUEUES, STATS = Command(method="active_queues"), Command(method="stats")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A process that was asked, when, while which queues were paused, and what it said."""

    pid: Any
    at_ms: int
    paused: Set[str]
    told: Mapping[str, Any]


class WorkerSurvey:
    """Knows what workers told. `clock_ms` gives milliseconds since 1970."""

    def __init__(self, redis: Redis, clock_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._clock_ms = clock_ms
        self._keys = Keys(redis.settings.prefix)
        self._queues = Queues(redis, redis.settings)
        self._mailbox = Mailbox(redis, Ids().new)
        self._asked: Mapping[str, _Asked] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: BridgeSettings, clock_ms: Callable[[], int]) -> AsyncIterator[Self]:
        """On a connection of its own, closed at the end of the block."""
        async with Redis.open(settings.broker, settings) as redis:
            yield cls(redis, clock_ms)

    def __repr__(self) -> str:
        return f"<WorkerSurvey workers={len(self._asked)}>"

    async def ask(self) -> int:
        """Ask the workers that are due, forget those that went, and store what is known; of how many workers.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        now_ms, paused = self._clock_ms(), await self._queues.paused()
        online = [worker for worker in await self._queues.workers(now_ms) if worker.online and _is_name(worker)]
        due = [worker for worker in online if self._is_due(worker, now_ms, paused)][:ASKED_AT_ONCE]
        told = await self._tell([worker.hostname for worker in due]) if due else {}
        fresh = {
            worker.hostname: _Asked(
                pid=_pid(worker),
                at_ms=now_ms,
                paused=paused,
                told={**self._known(worker), **told.get(worker.hostname, {})},
            )
            for worker in due
        }
        names = {worker.hostname for worker in online}
        self._asked = {name: asked for name, asked in {**self._asked, **fresh}.items() if name in names}
        known = {name: asked.told for name, asked in self._asked.items() if asked.told}
        await self._redis.execute("SET", self._keys.survey, compact(known), "EX", KEEP_SECONDS)
        return len(known)

    def _is_due(self, worker: WorkerStatus, now_ms: int, paused: Set[str]) -> bool:
        asked = self._asked.get(worker.hostname)
        if asked is None or asked.pid != _pid(worker) or asked.paused != paused:
            return True
        return now_ms - asked.at_ms >= ASK_AGAIN_MS

    def _known(self, worker: WorkerStatus) -> Mapping[str, Any]:
        """What the same process told before; one that is busy with its task does not reply."""
        asked = self._asked.get(worker.hostname)
        return asked.told if asked is not None and asked.pid == _pid(worker) else {}

    async def _tell(self, workers: Sequence[str]) -> dict[str, dict[str, Any]]:
        audience, wait = Audience(destination=workers), Wait(timeout=REPLY_SECONDS)
        queues, stats = await asyncio.gather(
            self._mailbox.call(ACTIVE_QUEUES, audience, wait), self._mailbox.call(STATS, audience, wait)
        )
        return {worker: {**_queues(queues, worker), **_pool(stats, worker)} for worker in workers}


def _pid(worker: WorkerStatus) -> Any:
    return worker.heartbeat.get("pid")


def _is_name(worker: WorkerStatus) -> bool:
    try:
        check_name(worker.hostname, "/destination")
    except InvalidMessage:  # anybody may publish a heartbeat
        return False
    return True


def _queues(replies: Replies, worker: str) -> dict[str, Any]:
    reply = replies.get(worker)
    if not isinstance(reply, list):
        return {}
    return {"queues": sorted(str(queue["name"]) for queue in reply if isinstance(queue, dict) and "name" in queue)}


def _pool(replies: Replies, worker: str) -> dict[str, Any]:
    reply = replies.get(worker)
    pool = reply.get("pool") if isinstance(reply, dict) else None
    size = pool.get("max-concurrency") if isinstance(pool, dict) else None
    return {"pool_size": size} if type(size) is int else {}
