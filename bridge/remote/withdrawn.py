"""Tasks that were taken out of their queue: their records say so, and the result backend is to say it too.

The script that ends such a task notes it with those of which the backend does not say it yet. So whoever awaits its
result is told in the end, also when the backend was away, or the process that cancelled it has gone: by a watcher.
"""

import asyncio
from collections.abc import Sequence

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.protocol.keys import Keys
from bridge.protocol.result import READY_STATES, read_meta
from bridge.reading import texts
from bridge.redis import Redis
from bridge.results.backend import ResultBackend

AT_ONCE = 32
PAGE = 500


class Withdrawn:
    """Tells the result backend of them. Every method raises `BrokerUnavailable` when that or Redis does not answer."""

    def __init__(self, redis: Redis, backend: ResultBackend) -> None:
        self._redis = redis
        self._backend = backend
        self._key = Keys(redis.settings.prefix).untold

    async def tell(self, task_ids: Sequence[str]) -> None:
        """Store that these were revoked, as Celery does, so that those who await them go on.

        Raises:
            BrokerUnavailable: the backend does not answer; the sentence says that the tasks are cancelled all the same.
        """
        try:
            for at in range(0, len(task_ids), AT_ONCE):
                await asyncio.gather(*map(self._backend.store_revoked, task_ids[at : at + AT_ONCE]))
        except BrokerUnavailable as error:
            raise BrokerUnavailable(
                f"{error.reason}. What was taken out of its queue is cancelled all the same; that this is "
                "stored as its result, a watcher sees to, and so does cancelling it again"
            ) from error
        self._forget(task_ids)

    async def is_untold(self, task_id: str) -> bool:
        """Whether a task was taken out of its queue, and nobody has stored that as its result."""
        return await self._redis.execute("ZSCORE", self._key, task_id) is not None

    async def tell_the_rest(self) -> int:
        """Tell what others could not; how many."""
        told = 0
        while page := await self._redis.execute("ZRANGE", self._key, 0, PAGE - 1):
            task_ids = texts(page, self._key)
            stored = zip(task_ids, await self._backend.stored(task_ids), strict=True)
            untold = [task_id for task_id, value in stored if not (value and _is_end(value))]
            await self.tell(untold)
            await self._redis.execute("ZREM", self._key, *page)
            told += len(untold)
        return told

    def _forget(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            self._redis.hand_over("ZREM", self._key, *task_ids, otherwise="cancelled tasks are told once more")


def _is_end(value: bytes) -> bool:
    try:
        return read_meta(value).state in READY_STATES
    except UnreadableBytes:  # somebody else's, or in a serialization that cannot be read here: left as it is
        return True
