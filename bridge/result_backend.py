"""The result backend: reads what workers stored, and hears what they publish."""

from collections.abc import AsyncGenerator, Sequence

from bridge.protocol.keys import RESULT_PREFIX, result_key
from bridge.protocol.result import revoked_meta
from bridge.redis import Published, Redis
from bridge.settings import BridgeSettings


class ResultBackend:
    """Celery's results on Redis, as bytes; `bridge.protocol.result` says what they mean."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self._ttl = settings.ended_ttl

    async def stored(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """The stored values in the order of the ids; None where there is none (yet, or any more).

        Raises:
            BrokerUnavailable: the server does not answer.
        """
        if not task_ids:
            return []
        values: list[bytes | None] = await self._redis.execute("MGET", *map(result_key, task_ids))
        return values

    async def store_revoked(self, task_id: str) -> None:
        """Store and publish what Celery does for a task revoked before it ran, so that its waiters wake up."""
        key, meta = result_key(task_id), revoked_meta(task_id)
        await self._redis.transaction(("SETEX", key, self._ttl, meta), ("PUBLISH", key, meta))

    async def store_chords(self, keys: Sequence[tuple[str, str]]) -> None:
        """Store what chords count with, before their first task is sent.

        Raises:
            BrokerUnavailable: the server does not answer; nothing was stored, or it expires.
        """
        if keys:
            await self._redis.transaction(*(("SET", key, value, "EX", self._ttl) for key, value in keys))

    async def forget(self, task_id: str) -> None:
        """Delete the result of a task."""
        await self._redis.execute("DEL", result_key(task_id))

    def published(self) -> AsyncGenerator[Published, None]:
        """Every value as it is stored, until the connection breaks."""
        return self._redis.listen(RESULT_PREFIX + "*")
