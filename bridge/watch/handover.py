"""Handing over: a watcher that begins to listen lets those that listen already tell first what was said before.

Of what a task says, nothing is told that is not later than what was told of it. A watcher that begins in the midst of
it, beside one that is behind, would be ahead of that one, and what that one has still to tell would be dropped.

Each source is begun, and told of, by itself. Beginnings have ascending numbers, and of one source each waits for lower
ones alone; what is told of results may wait for events, never the other way round. So nobody waits in a circle.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from bridge.errors import PetioleError, UnreadableBytes
from bridge.protocol.compact import compact
from bridge.protocol.keys import Keys
from bridge.reading import reading
from bridge.redis import Redis
from bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)
BEAT_SECONDS = 0.25
"""How often watchers note how far they are, and are looked at by one that waits for them."""
SILENCE_SECONDS = 3.0
"""A watcher that notes nothing for so long is not waited for: it has gone without a goodbye."""
PATIENCE_SECONDS = 60.0
"""How long one that is behind is waited for. Redis would soon cut off a listener that does not read."""
KEEP_SECONDS = 86_400


@dataclass(slots=True, kw_only=True)
class _Note:
    """How far a watcher is. Every beginning of anybody has a number of its own, ascending."""

    begun: dict[str, int] = field(default_factory=dict)
    """For each source that it listens to, the number of that beginning; 0 while it asks for one."""
    told: dict[str, int] = field(default_factory=dict)
    """For each source, the beginning before which all was said that it has told."""
    beats: int = 0

    @classmethod
    def read(cls, value: bytes) -> Self:
        """What another watcher wrote. Nobody waits for one whose note says nothing that is understood."""
        try:
            with reading("a note"):
                said = json.loads(value)
                return cls(begun=_numbers(said["begun"]), told=_numbers(said["told"]), beats=int(said["beats"]))
        except UnreadableBytes:
            return cls()

    def goes_before(self, source: str, number: int) -> bool:
        """Whether whoever begins to listen to that, with that number, has to wait for it."""
        return self.begun.get(source, number) < number and self.told.get(source, 0) < number


def _numbers(said: dict[str, Any]) -> dict[str, int]:
    return {source: int(number) for source, number in said.items()}


class _Pulses:
    """Tells, of what watchers note, which of them live."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def lives(self, name: str, note: _Note) -> bool:
        beats, since = self._seen.get(name, (0, 0.0))
        if beats != note.beats:
            self._seen[name] = (note.beats, self._clock())
            return True
        return self._clock() - since < SILENCE_SECONDS


class Handover:
    """One watcher's part in it; `name` is its own, `clock` gives seconds and never goes back.

    Methods raise `BrokerUnavailable` when Redis does not answer.
    """

    def __init__(
        self, redis: Redis, settings: BridgeSettings, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._keys = Keys(settings.prefix)
        self._name = name
        self._clock = clock
        self._note = _Note()
        self._listens_to: set[str] = set()

    def __repr__(self) -> str:
        return f"<Handover {self._note!r}>"

    @property
    def listens_to(self) -> frozenset[str]:
        """What this watcher has begun to listen to, and need not wait for any more."""
        return frozenset(self._listens_to)

    @asynccontextmanager
    async def taking_part(self) -> AsyncIterator[None]:
        """Says goodbye at the end, so that nobody waits for this watcher any more."""
        try:
            yield
        finally:
            with suppress(PetioleError):
                await self._redis.execute("HDEL", self._keys.handover, self._name)

    async def begin(self, source: str) -> None:
        """Call it when `source` is listened to, before anything that is heard there is told.

        Returns when all that was said before has been told by those that have listened for longer, those that have
        gone excepted.
        """
        number = await self._number(source)
        pulses, give_up_at = _Pulses(self._clock), self._clock() + PATIENCE_SECONDS
        while waited_for := await self._ahead(source, number, pulses):
            if self._clock() > give_up_at:
                logger.warning("%s too far behind: what they have still to tell may be lost", ", ".join(waited_for))
                break
            await asyncio.sleep(BEAT_SECONDS)
        self._listens_to.add(source)

    async def _number(self, source: str) -> int:
        """Noted before it is asked for, lest one with a later number does not see that there is this one."""
        self._note.begun[source] = 0
        await self.beat()
        number = int(await self._redis.execute("INCR", self._keys.beginnings))
        self._note.begun[source] = number
        await self.beat()
        return number

    def end(self, source: str) -> None:
        """Call it when `source` is not listened to any more."""
        self._listens_to.discard(source)
        self._note.begun.pop(source, None)

    async def beat(self) -> None:
        """Note how far this watcher is."""
        self._note.beats += 1
        await self._redis.execute("HSET", self._keys.handover, self._name, compact(asdict(self._note)))
        await self._redis.execute("EXPIRE", self._keys.handover, KEEP_SECONDS)

    async def catch_up(self, source: str, all_told: Callable[[], Awaitable[None]]) -> None:
        """If somebody has begun, note it when all that `source` said before is told, which `all_told` waits for."""
        counted = await self._redis.execute("GET", self._keys.beginnings)
        with reading(self._keys.beginnings):
            latest = int(counted or 0)
        if latest > self._note.told.get(source, 0):
            await all_told()
            self._note.told[source] = latest

    async def _ahead(self, source: str, number: int, pulses: _Pulses) -> list[str]:
        others = await self._others()
        gone = [name for name, note in others.items() if not pulses.lives(name, note)]
        if gone:
            await self._redis.execute("HDEL", self._keys.handover, *gone)
        return [name for name, note in others.items() if name not in gone and note.goes_before(source, number)]

    async def _others(self) -> Mapping[str, _Note]:
        notes = await self._redis.hash(self._keys.handover)
        return {name: _Note.read(value) for name, value in sorted(notes.items()) if name != self._name}
