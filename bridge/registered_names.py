"""Asks the workers that announce nothing for the names of their task types, now and then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from bridge.errors import InvalidMessage
from bridge.ids import Ids
from bridge.mailbox import Mailbox, Wait
from bridge.protocol import commands
from bridge.protocol.catalog import names_of
from bridge.protocol.compact import compact
from bridge.protocol.control import Audience
from bridge.protocol.keys import Keys
from bridge.protocol.values import check_name
from bridge.queues import Queues, WorkerStatus
from bridge.redis import Redis
from bridge.settings import BridgeSettings

ASK_AGAIN_MS = 60_000
"""A worker is asked when it appears, and as often after that; one that is busy with its task does not reply."""
REPLY_SECONDS = 2.0
KEEP_SECONDS = 60
"""How long the names are kept when no watcher runs any more."""
ASKED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A process that was asked, when, and what it said."""

    pid: Any
    at_ms: int
    names: tuple[str, ...] = ()


class RegisteredNames:
    """Knows the names that silent workers told. `clock_ms` gives milliseconds since 1970."""

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
        return f"<RegisteredNames workers={len(self._asked)}>"

    async def learn(self) -> int:
        """Ask the workers that appeared, forget those that went, and store what is known; how many names.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        now_ms = self._clock_ms()
        silent = await self._silent(now_ms)
        self._asked = {name: asked for name, asked in self._asked.items() if name in silent}
        due = [worker for worker in silent.values() if self._is_due(worker, now_ms)][:ASKED_AT_ONCE]
        if due:
            self._asked = {**self._asked, **await self._ask(due, now_ms)}
        return await self._store(name for asked in self._asked.values() for name in asked.names)

    async def _silent(self, now_ms: int) -> dict[str, WorkerStatus]:
        online = [worker for worker in await self._queues.workers(now_ms) if worker.online and _is_name(worker)]
        keys = (self._keys.announcement(worker.hostname) for worker in online)
        announced = await asyncio.gather(*(self._redis.execute("EXISTS", key) for key in keys))
        return {worker.hostname: worker for worker, tells in zip(online, announced, strict=True) if not tells}

    def _is_due(self, worker: WorkerStatus, now_ms: int) -> bool:
        asked = self._asked.get(worker.hostname)
        return asked is None or asked.pid != worker.heartbeat.get("pid") or now_ms - asked.at_ms >= ASK_AGAIN_MS

    async def _ask(self, workers: Iterable[WorkerStatus], now_ms: int) -> dict[str, _Asked]:
        pids = {worker.hostname: worker.heartbeat.get("pid") for worker in workers}
        audience, wait = Audience(destination=list(pids)), Wait(timeout=REPLY_SECONDS)
        told = names_of(await self._mailbox.call(commands.registered(()), audience, wait))
        return {
            name: replace(_known(self._asked.get(name), pid), at_ms=now_ms, **_names(told.get(name)))
            for name, pid in pids.items()
        }

    async def _store(self, names: Iterable[str]) -> int:
        known = sorted(set(names))
        await self._redis.execute("SET", self._keys.registered, compact(known), "EX", KEEP_SECONDS)
        return len(known)


def _is_name(worker: WorkerStatus) -> bool:
    try:
        check_name(worker.hostname, "/destination")
    except InvalidMessage:  # anybody may publish a heartbeat
        return False
    return True


def _known(asked: _Asked | None, pid: Any) -> _Asked:
    return asked if asked is not None and asked.pid == pid else _Asked(pid=pid, at_ms=0)


def _names(told: list[str] | None) -> dict[str, Any]:
    return {} if told is None else {"names": tuple(told)}
