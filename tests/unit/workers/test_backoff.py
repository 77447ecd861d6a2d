"""Waits grow, spread, and stay within the cap."""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.backoff import Backoff


@dataclass(frozen=True)
class Dice:
    """A random source that always answers `value`."""

    value: float

    def random(self) -> float:
        return self.value


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # repeatable, and nothing secret hangs on it


LOWEST, HIGHEST = Dice(0.0), Dice(1 - 2**-53)


def test_the_first_wait_lies_between_the_base_and_the_factor_times_it() -> None:
    backoff = Backoff(base=0.5, cap=60, factor=2)
    assert backoff.delay(0, LOWEST) == 0.5
    assert backoff.delay(0, Dice(0.5)) == 0.75
    assert backoff.delay(0, HIGHEST) == pytest.approx(1.0)


@given(seed=st.integers(), base=st.floats(0.01, 2), factor=st.floats(1.2, 4))
def test_waits_grow_from_attempt_to_attempt_until_the_cap(seed: int, base: float, factor: float) -> None:
    dice = _dice(seed)
    backoff = Backoff(base=base, cap=100, factor=factor)
    waits = [backoff.delay(attempt, dice) for attempt in range(80)]
    assert all(earlier < later or later == backoff.cap for earlier, later in pairwise(waits))
    assert waits[-1] == backoff.cap


@given(attempt=st.integers(0, 40))
def test_the_longest_wait_of_an_attempt_is_no_longer_than_the_shortest_of_the_next(attempt: int) -> None:
    backoff = Backoff(base=0.5, cap=300, factor=2)
    assert backoff.delay(attempt, HIGHEST) <= backoff.delay(attempt + 1, LOWEST)


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    dice = _dice(7)
    waits = {Backoff(base=1).delay(0, dice) for _ in range(100)}
    assert len(waits) == 100
    assert max(waits) - min(waits) > 0.9


@given(attempt=st.integers(0, 10**9))
def test_no_attempt_waits_longer_than_the_cap_however_late_it_is(attempt: int) -> None:
    assert 0 < Backoff(base=1, cap=30, factor=3).delay(attempt, HIGHEST) <= 30


@pytest.mark.parametrize(("base", "cap"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)])
def test_a_backoff_without_a_sensible_base_and_cap_cannot_be_made(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="0 < base <= cap"):
        Backoff(base=base, cap=cap)


@pytest.mark.parametrize("factor", [1.0, 0.5, math.inf, math.nan])
def test_a_backoff_that_would_not_grow_cannot_be_made(factor: float) -> None:
    with pytest.raises(ValueError, match="factor greater than 1"):
        Backoff(factor=factor)
