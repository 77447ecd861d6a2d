"""Queues and workers as they stand in Redis now. Nothing here asks a worker, so nothing here waits for one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.naming import broker_keys
from bridge.protocol.keys import Keys
from bridge.reading import readable, reading, texts
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
        return await self._members(self._keys.queues)

    async def paused(self) -> set[str]:
        """The queues that are paused."""
        return await self._members(self._keys.paused)

    async def _members(self, key: str) -> set[str]:
        return {self._names.name(name) for name in texts(await self._redis.execute("SMEMBERS", key), key)}

    async def is_known(self, name: str, now_ms: int) -> bool:
        """Whether it is one of the queues of `backlog`."""
        if name == self._default or name in await self._used() or name in await self.paused():
            return True
        return any(worker.online and name in (worker.queues or ()) for worker in await self.workers(now_ms))

    async def workers(self, now_ms: int) -> list[WorkerStatus]:
        """Workers by name, from their heartbeats and what they told when they were asked.

        What is not as a worker tells it is passed over: anybody may publish a heartbeat.
        """
        told = await self._told()
        seen = await self._redis.hash(self._keys.workers)

        def read(sign: tuple[str, bytes]) -> WorkerStatus:
            return _worker(*sign, told.get(sign[0], _NOTHING_TOLD), now_ms)

        return readable(sorted(seen.items()), read, self._keys.workers)

    async def _told(self) -> dict[str, "_Told"]:
        survey = await self._redis.execute("GET", self._keys.survey)
        whole = readable([survey] if survey else [], _object, self._keys.survey)
        return dict(readable((one for told in whole for one in told.items()), _told, self._keys.survey))

    async def watchers(self) -> list[WatcherStatus]:
        """Watchers and when they last gave a sign of life; what is none is passed over."""
        seen = await self._redis.hash(self._keys.watchers)
        return readable(sorted(seen.items()), _watcher, self._keys.watchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """By queue: messages that workers have taken, and tasks that are held."""

    taken: Mapping[str, int]
    held: Mapping[str, int]


def _by_queue(flat: Sequence[Any]) -> dict[str, int]:
    return {name.decode(errors="replace"): count for name, count in zip(flat[::2], flat[1::2], strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a worker told when it was asked."""

    pool_size: int | None = None
    queues: Sequence[str] | None = None


_NOTHING_TOLD = _Told()
_NUMBER = int | float
_HEARTBEAT: Mapping[str, Any] = {
    "freq": _NUMBER,
    "active": int,
    "processed": int,
    "loadavg": list,
    "sw_ident": str,
    "sw_ver": str,
    "sw_sys": str,
}
"""What heartbeats have beside their type, as far as somebody reads it here. A worker may leave out any of it."""


def _object(value: bytes) -> dict[str, Any]:
    said: dict[str, Any] = _checked(json.loads(value), dict)
    return said


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.80} is not of {kind}")
    return value


def _all_checked(values: Iterable[Any], kind: Any) -> list[Any]:
    return [_checked(value, kind) for value in values]


def _told(told: tuple[str, Any]) -> tuple[str, _Told]:
    name, said = told
    pool_size, queues = _checked(said.get("pool_size"), int | None), _checked(said.get("queues"), list | None)
    return name, _Told(pool_size=pool_size, queues=None if queues is None else _all_checked(queues, str))


def _watcher(sign: tuple[str, bytes]) -> WatcherStatus:
    name, said = sign[0], _object(sign[1])
    return WatcherStatus(name=name, at=int(said["at"]), lag_ms=int(said["lag_ms"]))


def _worker(hostname: str, value: bytes, told: _Told, now_ms: int) -> WorkerStatus:
    seen = _object(value)
    heartbeat, at_ms = heartbeat_of(seen["heartbeat"]), int(seen["at"])
    silence = (now_ms - at_ms) / 1000
    online = heartbeat["type"] != "worker-offline" and silence < HEARTBEATS_MISSED * (heartbeat.get("freq") or 2)
    return WorkerStatus(
        hostname=hostname,
        online=online,
        heard_at=at_ms,
        heartbeat=heartbeat,
        pool_size=told.pool_size,
        queues=told.queues,
    )


def heartbeat_of(said: Any) -> dict[str, Any]:
    """What a worker said, if it is a heartbeat.

    Raises:
        UnreadableBytes: something that is read of it here has another shape.
    """
    with reading("a heartbeat"):
        heartbeat: dict[str, Any] = _checked(said, dict)
        _checked(heartbeat["type"], str)
        for name, kind in _HEARTBEAT.items():
            _checked(heartbeat.get(name), kind | None)
        _all_checked(heartbeat.get("loadavg") or (), _NUMBER)
        return heartbeat
