"""Queues and workers as they stand in Redis now. Nothing here asks a worker, so nothing here waits for one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings

HEARTBEATS_MISSED = 3
"""A worker that missed as many is taken for offline. Celery's own heartbeats come every 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How many messages wait in a queue, in all and by priority step (0 is served first)."""

    name: str
    ready: int
    by_priority: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """All queues that are known; `unacked` messages are with workers, `scheduled` ones are held until their time."""

    queues: tuple[QueueDepth, ...]
    unacked: int
    scheduled: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker by its last heartbeat, which the watcher heard at `heard_at` (ms since 1970)."""

    hostname: str
    online: bool
    heard_at: int
    heartbeat: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherStatus:
    """A watcher by its last sign of life at `at` (ms since 1970); `lag_ms` is how far behind the news it was."""

    name: str
    at: int
    lag_ms: int


class Queues:
    """Reads of what everybody shares. Each raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self._keys = Keys(settings.prefix)
        self._names = broker_keys(redis)
        self._default = settings.default_queue

    async def backlog(self) -> Backlog:
        """The queues that tasks were submitted to, and the default queue."""
        known = await self._redis.execute("SMEMBERS", self._keys.queues)
        names = sorted({self._names.name(key.decode()) for key in known} | {self._default})
        return Backlog(
            queues=tuple([await self._depth(name) for name in names]),
            unacked=await self._redis.execute("HLEN", self._names.unacked),
            scheduled=await self._redis.execute("ZCARD", self._keys.scheduled),
            open=await self._redis.execute("ZCARD", self._keys.open),
        )

    async def _depth(self, name: str) -> QueueDepth:
        lengths = [int(await self._redis.execute("LLEN", key)) for key in self._names.lists(name)]
        return QueueDepth(name=name, ready=sum(lengths), by_priority=dict(zip(self._names.steps, lengths, strict=True)))

    async def workers(self, now_ms: int) -> list[WorkerStatus]:
        """Workers by name, from their heartbeats."""
        seen = await self._redis.hash(self._keys.workers)
        return [_worker(name, value, now_ms) for name, value in sorted(seen.items())]

    async def watchers(self) -> list[WatcherStatus]:
        """Watchers and when they last gave a sign of life."""
        seen = await self._redis.hash(self._keys.watchers)
        signs = ((name, _object(value)) for name, value in sorted(seen.items()))
        return [WatcherStatus(name=name, at=int(sign["at"]), lag_ms=int(sign["lag_ms"])) for name, sign in signs]


def _object(value: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(value))
    except (ValueError, TypeError) as error:
        raise UnreadableBytes(f"not a sign of life: {value[:80]!r}") from error


def _worker(hostname: str, value: bytes, now_ms: int) -> WorkerStatus:
    seen = _object(value)
    heartbeat = seen["heartbeat"]
    silence = (now_ms - int(seen["at"])) / 1000
    online = heartbeat["type"] != "worker-offline" and silence < HEARTBEATS_MISSED * float(heartbeat.get("freq") or 2)
    return WorkerStatus(hostname=hostname, online=online, heard_at=int(seen["at"]), heartbeat=heartbeat)
