"""The result backend: reads what workers stored, and hears what they publish."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence

from bridge.errors import UnreadableBytes
from bridge.naming import result_keys
from bridge.protocol.canvas import BackendKey
from bridge.protocol.result import revoked_meta
from bridge.redis import Command, Published, Redis
from bridge.settings import BridgeSettings

CHECK_SECONDS = 0.5
"""How long somebody whose time is over is kept, to tell why."""


class ResultBackend:
    """Celery's results on Redis, as bytes; `bridge.protocol.result` says what they mean."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self.keys = result_keys(redis)
        self._ttl = settings.ended_ttl

    async def stored(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """The stored values in the order of the ids; None where there is none (yet, or any more).

        Raises:
            BrokerUnavailable: the server does not answer.
        """
        if not task_ids:
            return []
        values: list[bytes | None] = await self._redis.execute("MGET", *map(self.keys.result, task_ids))
        return values

    async def check_readable(self, task_id: str) -> None:
        """Check why there is no result; one that is not there, or not told at once, is no error.

        Raises:
            UnreadableBytes: the key of the result holds something else, which `stored` passes over.
            BrokerUnavailable: the server does not answer.
        """
        key = self.keys.result(task_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                kind = (await self._redis.execute("TYPE", key)).decode()
                if kind not in ("none", "string"):
                    raise UnreadableBytes(f"{key} is a {kind}, where Celery stores a string: delete it, if it is yours")

    async def store_revoked(self, task_id: str) -> None:
        """Store and publish what Celery does for a task revoked before it ran, so that its waiters wake up."""
        key, meta = self.keys.result(task_id), revoked_meta(task_id)
        await self._redis.transaction(("SETEX", key, self._ttl, meta), ("PUBLISH", key, meta))

    def chord_commands(self, keys: Iterable[BackendKey]) -> list[Command]:
        """What stores the keys that chords count with; it must be done before their first task is sent."""
        return [("SET", self.keys.key(key.key), key.value, "EX", self._ttl) for key in keys]

    async def store(self, commands: Sequence[Command]) -> None:
        """Run `chord_commands`.

        Raises:
            BrokerUnavailable: the server does not answer; nothing was stored, or it expires.
        """
        if commands:
            await self._redis.transaction(*commands)

    async def forget(self, task_id: str) -> None:
        """Delete the result of a task."""
        await self._redis.execute("DEL", self.keys.result(task_id))

    def published(self) -> AsyncGenerator[Published, None]:
        """Every value as it is stored, until the connection breaks."""
        return self._redis.listen(self.keys.every_result)
