"""How often each caller may call, counted in Redis for all API processes together."""

import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple, Self

from bridge.batching import Batcher
from bridge.protocol.keys import Keys
from bridge.redis import Redis, Script

AHEAD_FROM = 8
"""Requests of one caller in one trip from which on more are taken ahead. Whoever sends fewer is counted one by one."""
AHEAD_TIMES = 15
"""How many times as many are taken ahead as were asked for."""
AHEAD_SHARE = 10
"""The part of the burst that they are at the most: a tenth of it."""
AHEAD_SECONDS = 0.1
"""After so long what was taken ahead is lost; a caller that busy has used it by then."""
_REQUESTS_A_TRIP = 256
_MICROSECONDS = 1_000_000


class Allowance(NamedTuple):
    """Whether a request may pass. Times are whole seconds, rounded up."""

    passes: bool
    remaining: int
    """Requests that may follow at once."""
    reset: int
    """Until the caller has all it may have."""
    retry_after: int
    """Until the next request may pass."""


@dataclass(slots=True, kw_only=True)
class _Ahead:
    """Requests of a busy caller that this process has taken from the bucket before they came."""

    count: int
    remaining: int
    reset: int
    until: float


class RateLimits:
    """`rate` requests a second for each caller, and up to `burst` of them at once.

    All requests of one moment leave in one round trip, however many callers they are of. For a caller with many of them
    some more are taken ahead, so that the next ones need no trip. `clock` gives seconds, and never goes back.
    """

    def __init__(self, redis: Redis, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._redis = redis
        self._clock = clock
        self._keys = Keys(redis.settings.prefix)
        self._script = Script("limit")
        self._ahead: dict[str, _Ahead] = {}
        self._batcher: Batcher[str, Allowance] = Batcher(
            self._take, size=_REQUESTS_A_TRIP, limit=redis.settings.max_pending_submits
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, *, rate: float, burst: int) -> AsyncIterator[Self]:
        """Limits that are counted until the end of the block."""
        limits = cls(redis, rate=rate, burst=burst)
        async with limits._batcher:
            yield limits

    def __repr__(self) -> str:
        return f"<RateLimits rate={self.rate:g} burst={self.burst} {self._batcher!r}>"

    def take_ahead(self, caller: str) -> Allowance | None:
        """One request of a caller out of what was taken ahead; None when nothing is left of it."""
        ahead = self._ahead.get(caller)
        if ahead is None or not ahead.count or self._clock() >= ahead.until:
            return None
        ahead.count -= 1
        return Allowance(True, ahead.remaining + ahead.count, ahead.reset, 0)

    def take(self, caller: str) -> Awaitable[Allowance]:
        """Ask for one request of a caller.

        Raises:
            BrokerUnavailable: Redis does not answer.
            PublisherBusy: too many wait for it already.
        """
        return self._batcher.call(caller)

    async def _take(self, callers: Sequence[str]) -> Sequence[Allowance | Exception]:
        asked = Counter(callers)
        keys = [self._keys.rate_limit(caller) for caller in asked]
        wanted = [count + self._more_than(count) for count in asked.values()]
        replies = await self._redis.run(self._script, keys, [_MICROSECONDS / self.rate, self.burst, *wanted])
        self._forget_what_is_over()
        shares = {
            caller: deque(self._shares(caller, count, _Taken(*reply)))
            for (caller, count), reply in zip(asked.items(), replies, strict=True)
        }
        return [shares[caller].popleft() for caller in callers]

    def _more_than(self, count: int) -> int:
        return min(count * AHEAD_TIMES, self.burst // AHEAD_SHARE) if count >= AHEAD_FROM else 0

    def _forget_what_is_over(self) -> None:
        now = self._clock()
        self._ahead = {caller: ahead for caller, ahead in self._ahead.items() if ahead.count and now < ahead.until}

    def _shares(self, caller: str, asked: int, taken: "_Taken") -> Iterator[Allowance]:
        """What each of `asked` requests is answered, in their order; what is over is kept for the next ones."""
        reset = ceil(taken.until_full / _MICROSECONDS)
        over = max(0, taken.given - asked)
        for number in range(asked):
            if number < taken.given:
                yield Allowance(True, taken.left + taken.given - number - 1, reset, 0)
            else:
                yield Allowance(False, 0, reset, max(1, ceil(taken.until_next / _MICROSECONDS)))
        if over:
            before = self._ahead.get(caller)
            count = over + (before.count if before else 0)
            until = self._clock() + AHEAD_SECONDS
            self._ahead[caller] = _Ahead(count=count, remaining=taken.left, reset=reset, until=until)


class _Taken(NamedTuple):
    """What the script replies for one caller; times in microseconds."""

    given: int
    left: int
    until_full: int
    until_next: int
