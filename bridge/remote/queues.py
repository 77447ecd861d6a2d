"""Queues and workers as they stand in Redis now. Nothing here asks a worker, so nothing here waits for one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.keys import Keys
from bridge.redis import Redis, Script
from bridge.settings import BridgeSettings

HEARTBEATS_MISSED = 3
"""A worker that missed as many is taken for offline. Celery's own heartbeats come every 2 s."""


LOOKED_AT = 10_000
"""Messages with workers, and held tasks, whose queue is looked at. When there are more, counts by queue are short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How a queue stands: messages that wait, in all and by priority step (0 is served first), and those that workers
    have taken and not acknowledged; tasks that are held until their time; since when the task waits that waits longest
    (ms since 1970, None when it is not known); and the workers that take tasks from it, as far as they told.
    """

    name: str
    ready: int
    by_priority: Mapping[int, int]
    unacked: int
    scheduled: int
    oldest_since: int | None
    consumers: Sequence[str]
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """All queues that are known; `unacked` messages are with workers, `scheduled` ones are held until their time.

    Of each of these two, as many as `looked_at` were looked at.
    """

    queues: tuple[QueueState, ...]
    unacked: int
    scheduled: int
    open: int
    looked_at: int = LOOKED_AT

    @property
    def is_exact(self) -> bool:
        """Whether the counts of queues have all there is in them."""
        return max(self.unacked, self.scheduled) <= self.looked_at


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker by its last heartbeat, which the watcher heard at `heard_at` (ms since 1970)."""

    hostname: str
    online: bool
    heard_at: int
    heartbeat: Mapping[str, Any]
    pool_size: int | None = None
    """Tasks that it runs at once; None until it has told."""
    queues: Sequence[str] | None = None
    """Queues that it takes tasks from; None until it has told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherStatus:
    """A watcher by its last sign of life at `at` (ms since 1970); `lag_ms` is how far behind the news it was."""

    name: str
    at: int
    lag_ms: int


class Queues:
    """Reads of what everybody shares. Each raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, settings: BridgeSettings, looked_at: int = LOOKED_AT) -> None:
        self._redis = redis
        self._keys = Keys(settings.prefix)
        self._names = broker_keys(redis)
        self._default = settings.default_queue
        self._script = Script("backlog")
        self._looked_at = looked_at

    async def backlog(self, now_ms: int) -> Backlog:
        """The queues that tasks were submitted to, those that workers take tasks from, and the default queue."""
        paused = await self.paused()
        consumers: dict[str, list[str]] = {name: [] for name in sorted({self._default, *await self._used(), *paused})}
        for worker in await self.workers(now_ms):
            for name in (worker.queues or ()) if worker.online else ():
                consumers.setdefault(name, []).append(worker.hostname)
        keys = [key for name in consumers for key in self._names.lists(name)]
        args = (self._keys.prefix, now_ms, len(self._names.steps), self._looked_at)
        reply = await self._redis.run(self._script, [self._names.unacked, self._keys.scheduled, *keys], args)
        unacked, scheduled, taken, held, *depths = reply
        counts = _Counts(taken=_by_queue(taken), held=_by_queue(held))
        return Backlog(
            queues=tuple(
                self._state(
                    name, depth, counts, consumers=() if name in paused else consumers[name], paused=name in paused
                )
                for name, depth in zip(consumers, depths, strict=True)
            ),
            unacked=unacked,
            scheduled=scheduled,
            open=await self._redis.execute("ZCARD", self._keys.open),
            looked_at=self._looked_at,
        )

    def _state(self, name: str, depth: Sequence[int], counts: "_Counts", **more: Any) -> QueueState:
        *lengths, since = depth
        return QueueState(
            name=name,
            ready=sum(lengths),
            by_priority=dict(zip(self._names.steps, lengths, strict=True)),
            unacked=counts.taken.get(name, 0),
            scheduled=counts.held.get(name, 0),
            oldest_since=since if since >= 0 else None,
            **more,
        )

    async def _used(self) -> set[str]:
        return {self._names.name(key.decode()) for key in await self._redis.execute("SMEMBERS", self._keys.queues)}

    async def paused(self) -> set[str]:
        """The queues that are paused."""
        return {self._names.name(key.decode()) for key in await self._redis.execute("SMEMBERS", self._keys.paused)}

    async def is_known(self, name: str, now_ms: int) -> bool:
        """Whether it is one of the queues of `backlog`."""
        if name == self._default or name in await self._used() or name in await self.paused():
            return True
        return any(worker.online and name in (worker.queues or ()) for worker in await self.workers(now_ms))

    async def workers(self, now_ms: int) -> list[WorkerStatus]:
        """Workers by name, from their heartbeats and what they told when they were asked."""
        told = _object(await self._redis.execute("GET", self._keys.survey) or b"{}")
        seen = await self._redis.hash(self._keys.workers)
        return [_worker(name, value, told.get(name, {}), now_ms) for name, value in sorted(seen.items())]

    async def watchers(self) -> list[WatcherStatus]:
        """Watchers and when they last gave a sign of life."""
        seen = await self._redis.hash(self._keys.watchers)
        signs = ((name, _object(value)) for name, value in sorted(seen.items()))
        return [WatcherStatus(name=name, at=int(sign["at"]), lag_ms=int(sign["lag_ms"])) for name, sign in signs]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """By queue: messages that workers have taken, and tasks that are held."""

    taken: Mapping[str, int]
    held: Mapping[str, int]


def _by_queue(flat: Sequence[Any]) -> dict[str, int]:
    return {name.decode(): count for name, count in zip(flat[::2], flat[1::2], strict=True)}


def _object(value: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(value))
    except (ValueError, TypeError) as error:
        raise UnreadableBytes(f"not a sign of life: {value[:80]!r}") from error


def _worker(hostname: str, value: bytes, told: Mapping[str, Any], now_ms: int) -> WorkerStatus:
    seen = _object(value)
    heartbeat = seen["heartbeat"]
    silence = (now_ms - int(seen["at"])) / 1000
    online = heartbeat["type"] != "worker-offline" and silence < HEARTBEATS_MISSED * float(heartbeat.get("freq") or 2)
    return WorkerStatus(
        hostname=hostname,
        online=online,
        heard_at=int(seen["at"]),
        heartbeat=heartbeat,
        pool_size=told.get("pool_size"),
        queues=told.get("queues"),
    )
