"""Signs of life in Redis: the last heartbeat of each worker, and that this watcher runs."""

import json
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.protocol.compact import compact
from bridge.protocol.keys import Keys
from bridge.reading import reading
from bridge.redis import Redis
from bridge.remote.queues import heartbeat_of
from bridge.settings import BridgeSettings

FORGET_WORKER_MS = 3_600_000
FORGET_WATCHER_MS = 60_000
KEEP_SECONDS = 86_400
WORKERS_LIMIT = 10_000


class SignsOfLife:
    """Gathers heartbeats and writes them once a second. `name` is this watcher's own."""

    SECONDS = 1.0

    def __init__(self, redis: Redis, settings: BridgeSettings, name: str) -> None:
        self._redis = redis
        self._keys = Keys(settings.prefix)
        self._name = name
        self._heard: dict[str, bytes] = {}

    def heard(self, event: dict[str, Any], at_ms: int) -> None:
        """Take note of a worker's event; the time of hearing counts, since clocks differ.

        Raises:
            UnreadableBytes: the event does not say whose it is, or is none that could be read again.
        """
        hostname = event.get("hostname")
        if not isinstance(hostname, str):
            raise UnreadableBytes(f"an event of no worker: {event!r:.200}")
        heartbeat_of(event)
        if len(self._heard) < WORKERS_LIMIT:
            self._heard[hostname] = compact({"at": at_ms, "heartbeat": event}).encode(errors="replace")

    async def give(self, at_ms: int, lag_ms: int) -> None:
        """Write what was heard since the last call, and that this watcher runs.

        Raises:
            BrokerUnavailable: Redis does not answer; what was heard is kept for the next call.
        """
        heard, self._heard = self._heard, {}
        try:
            await self._write(self._keys.workers, heard)
            await self._write(self._keys.watchers, {self._name: compact({"at": at_ms, "lag_ms": lag_ms}).encode()})
        except BaseException:
            self._heard = heard | self._heard
            raise

    async def _write(self, key: str, fields: dict[str, bytes]) -> None:
        if fields:
            await self._redis.execute("HSET", key, *(part for pair in fields.items() for part in pair))
            await self._redis.execute("EXPIRE", key, KEEP_SECONDS)

    async def forget_old(self, now_ms: int) -> None:
        """Drop workers that were silent for an hour and watchers that were silent for a minute.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        for key, limit in ((self._keys.workers, FORGET_WORKER_MS), (self._keys.watchers, FORGET_WATCHER_MS)):
            signs = await self._redis.hash(key)
            old = [name for name, sign in signs.items() if now_ms - _told_at(sign) > limit]
            if old:
                await self._redis.execute("HDEL", key, *old)


def _told_at(sign: bytes) -> int:
    """When it was told (ms); what is no sign of life is old."""
    try:
        with reading("a sign of life"):
            return int(json.loads(sign)["at"])
    except UnreadableBytes:
        return 0
