"""The task types that the workers of an installation have, as they announced them. No worker is asked here."""

import asyncio
import logging
from collections.abc import Callable

from bridge.errors import UnreadableBytes
from bridge.protocol.catalog import Catalog, TaskType, read_announcement, read_names
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)
_Word = tuple[bytes, str]
"""Since when an announcement holds (microseconds, in digits), and whose it is."""
_DIGITS = 20
"""More than a time has. Python reads no number of more than some thousands."""


class TaskTypes:
    """Reads the catalog, at most once a second. `clock` gives seconds."""

    FRESH_SECONDS = 1.0

    def __init__(self, redis: Redis, settings: BridgeSettings, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._keys = Keys(settings.prefix)
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at = -self.FRESH_SECONDS
        self._announced: dict[_Word, tuple[TaskType, ...]] = {}
        self._names: tuple[str, ...] = ()
        self._catalog = Catalog.of([])

    def __repr__(self) -> str:
        return f"<TaskTypes types={len(self._catalog.types)} announcements={len(self._announced)}>"

    async def read(self) -> Catalog:
        """The catalog as it is, or was within the last second; the same value while nothing changes.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        self._redis.check()  # before it waits for a reading in another loop
        if not self._is_fresh():
            async with self._reading:
                if not self._is_fresh():
                    await self._read()
        return self._catalog

    def _is_fresh(self) -> bool:
        return self._clock() - self._read_at < self.FRESH_SECONDS

    async def _read(self) -> None:
        began = self._clock()
        names = _names(await self._redis.execute("GET", self._keys.registered) or b"[]")
        words = await self._words()
        if words != self._announced.keys() or names != self._names:
            new = [word for word in words if word not in self._announced]
            read = dict(zip(new, await asyncio.gather(*map(self._announcement, new)), strict=True))
            self._announced, self._names = {word: (self._announced | read)[word] for word in words}, names
            self._catalog = Catalog.of((self._announced[word] for word in sorted(words, key=_age)), names)
        self._read_at = began

    async def _words(self) -> set[_Word]:
        """The announcements that hold: those whose key is still there."""
        said = await self._redis.hash(self._keys.catalog)
        keys = map(self._keys.announcement, said)
        there = await asyncio.gather(*(self._redis.execute("EXISTS", key) for key in keys))
        return {(since, worker) for (worker, since), holds in zip(said.items(), there, strict=True) if holds}

    async def _announcement(self, word: _Word) -> tuple[TaskType, ...]:
        try:
            data: bytes | None = await self._redis.execute("GET", self._keys.announcement(word[1]))
            return read_announcement(data) if data else ()
        except UnreadableBytes as error:  # a key of another kind, or of another shape
            logger.warning("passed over task types of %s: %s", word[1], error)
            return ()


def _names(data: bytes) -> tuple[str, ...]:
    try:
        return read_names(data)
    except UnreadableBytes as error:
        logger.warning("passed over task types: %s", error)
        return ()


def _age(word: _Word) -> tuple[int, str]:
    since, worker = word
    return int(since[:_DIGITS]) if since.isdigit() else 0, worker
