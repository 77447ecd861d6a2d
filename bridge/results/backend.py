"""The result backend: reads what workers stored, and hears what they publish."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from bridge.naming import result_keys
from bridge.protocol.canvas import BackendKey
from bridge.protocol.result import revoked_meta
from bridge.redis import Command, Echo, Published, Redis
from bridge.settings import BridgeSettings

SIZE, CLAIM = ".s", ".c"
"""Ends of a chord's keys: how many tasks it waits for; that its body was sent (celery/backends/redis.py, 5.7)."""


class ResultBackend:
    """Celery's results on Redis, as bytes; `bridge.protocol.result` says what they mean."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self.keys = result_keys(redis)
        self._expires = settings.result_expires

    async def stored(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """The stored values in the order of the ids; None where there is none (yet, or any more).

        Raises:
            BrokerUnavailable: the server does not answer.
        """
        if not task_ids:
            return []
        values: list[bytes | None] = await self._redis.execute("MGET", *map(self.keys.result, task_ids))
        return values

    async def stored_apart(self, task_ids: Sequence[str], patience: float = 1) -> list[bytes | None]:
        """As `stored`, for one task of this process alone: not in line with what callers ask, which may be full.

        It may take `patience` times as long.
        """
        if not task_ids:
            return []
        values: list[bytes | None]
        (values,) = await self._redis.apart(("MGET", *map(self.keys.result, task_ids)), patience=patience)
        return values

    async def store_revoked(self, task_id: str) -> None:
        """Store and publish what Celery does for a task revoked before it ran, so that its waiters wake up."""
        key, meta = self.keys.result(task_id), revoked_meta(task_id)
        await self._redis.transaction(("SETEX", key, self._expires, meta), ("PUBLISH", key, meta))

    def chord_commands(self, keys: Iterable[BackendKey]) -> list[Command]:
        """What stores the keys that chords count with; it must be done before their first task is sent.

        For a chord that comes again under its id, what Celery 5.7 keeps of one whose body was sent is deleted first.
        """
        return [command for key in keys for command in self._chord_commands(key)]

    def _chord_commands(self, key: BackendKey) -> Iterator[Command]:
        if key.key.endswith(SIZE):
            yield "DEL", self.keys.key(key.key.removesuffix(SIZE) + CLAIM)
        yield "SET", self.keys.key(key.key), key.value, "EX", self._expires + key.put_off

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

    def published(self, echo: Echo | None = None) -> AsyncGenerator[Published, None]:
        """Every value as it is stored, until the connection breaks."""
        return self._redis.listen(self.keys.every_result, echo)
