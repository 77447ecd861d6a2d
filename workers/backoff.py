"""How long to wait before the next attempt. Pure: the random source is passed in."""

import math
from dataclasses import dataclass
from typing import Protocol


class RandomSource(Protocol):
    """What `random.Random` and `random.SystemRandom` offer."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Exponential backoff, jittered in bands: first wait about `base` seconds, each band `factor` times the last.

    The wait after attempt *n* (from 0) is drawn from the whole of ``[base * factor**n, base * factor**(n + 1))``, so
    tasks that failed together do not come back together. Bands touch and never overlap, so a task's waits grow from
    attempt to attempt whatever the dice say; with the usual full jitter, from 0, a later wait may be the shorter one.
    At `cap` the wait is exactly `cap`: the earlier draws have spread the tasks, and equal waits keep them spread.
    """

    base: float = 1.0
    cap: float = 300.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap < math.inf:
            raise ValueError(f"A backoff needs 0 < base <= cap seconds, got base={self.base} and cap={self.cap}.")
        if not 1 < self.factor < math.inf:
            raise ValueError(f"A backoff needs a factor greater than 1 to grow, got {self.factor}.")

    def delay(self, attempt: int, rng: RandomSource) -> float:
        """Seconds to wait after attempt number `attempt` (from 0) failed."""
        low, high = self._floor(attempt), self._floor(attempt + 1)
        return low + (high - low) * rng.random()

    def _floor(self, attempt: int) -> float:
        # Compared as logarithms: a float power overflows after a thousand attempts, and max_retries may be None.
        if attempt * math.log(self.factor) >= math.log(self.cap / self.base):
            return self.cap
        return self.base * self.factor**attempt
