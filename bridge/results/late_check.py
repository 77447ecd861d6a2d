"""Why results are not there when the time is over. It is advice: a check that comes to nothing says nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, PublisherBusy, UnreadableBytes
from bridge.protocol.keys import ResultKeys
from bridge.redis import Redis

CHECK_SECONDS = 0.5
"""Silence of the server after which it is taken for away. Whoever is late is kept about as long, to be told why."""
LOOKS = 5
"""How often the answer is looked for in that time: a process that was busy for all of it has not heard the server yet,
and does in the next turns of its loop."""
CHECKED = 500
"""Tasks of a workflow that are looked at, and about as many are in one round trip."""
LINE = 100_000
"""Checks that may wait; whoever comes when there are more is told nothing."""


class LateCheck:
    """Looks at the keys of results that are late. All who are late in one moment share their round trips."""

    def __init__(self, redis: Redis, keys: ResultKeys, seconds: float = CHECK_SECONDS, line: int = LINE) -> None:
        self._redis = redis
        self._keys = keys
        self._seconds = seconds
        self._batcher: Batcher[Sequence[str], None] = Batcher(self._look, size=CHECKED, limit=line)

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, keys: ResultKeys) -> AsyncIterator[Self]:
        """A check that can be asked until the end of the block."""
        check = cls(redis, keys)
        async with check._batcher:
            yield check

    def __repr__(self) -> str:
        return f"<LateCheck {self._batcher!r}>"

    async def ask(self, task_ids: Sequence[str]) -> None:
        """Look why not all of these results are there; that one is not there yet is no error.

        Raises:
            UnreadableBytes: the key of a result holds something else, which reading it passes over.
            BrokerUnavailable: the server is not there, refuses, or says nothing for `CHECK_SECONDS`.
        """
        try:
            asked = self._batcher.call([self._keys.result(task_id) for task_id in task_ids[:CHECKED]])
        except PublisherBusy:
            return
        await asked

    async def _look(self, asked: Sequence[Sequence[str]]) -> Sequence[Exception | None]:
        keys = list(dict.fromkeys(key for some in asked for key in some))
        kinds: dict[str, bytes] = {}
        for at in range(0, len(keys), CHECKED):
            some = keys[at : at + CHECKED]
            kinds.update(zip(some, await self._kinds(some), strict=True))
        return [_unreadable(some, kinds) for some in asked]

    async def _kinds(self, keys: Sequence[str]) -> Sequence[bytes]:
        asking = asyncio.create_task(self._redis.apart(*(("TYPE", key) for key in keys)), name="late check")
        try:
            for _ in range(LOOKS):
                await asyncio.wait([asking], timeout=self._seconds / LOOKS)
                if asking.done():
                    return await asking
        finally:
            asking.cancel()
            await asyncio.wait([asking])
        # Of a time-out the batcher tells those in line as well, who do not wait as long again.
        raise BrokerUnavailable(f"the result backend has not answered within {self._seconds} s") from TimeoutError()


def _unreadable(keys: Sequence[str], kinds: dict[str, bytes]) -> UnreadableBytes | None:
    for key in keys:
        if kinds[key] not in (b"none", b"string"):
            return UnreadableBytes(
                f"{key} is a {kinds[key].decode()}, where Celery stores a string: delete it, if it is yours"
            )
    return None
