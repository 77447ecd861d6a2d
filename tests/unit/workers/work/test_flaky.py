"""Fails on purpose, exactly as often as asked."""

import pytest

from workers.errors import InvalidInput, TransientError
from workers.work.flaky import fail_until


@pytest.mark.parametrize(("fail_times", "attempt"), [(0, 1), (2, 3), (2, 4)])
def test_the_attempt_after_the_failures_succeeds(fail_times: int, attempt: int) -> None:
    assert fail_until(fail_times, attempt=attempt) == {"attempts": attempt}


@pytest.mark.parametrize(("fail_times", "attempt"), [(1, 1), (2, 2), (99, 5)])
def test_the_attempts_before_fail_with_an_error_that_may_pass(fail_times: int, attempt: int) -> None:
    with pytest.raises(TransientError, match=f"Attempt {attempt} failed on purpose; the first {fail_times} do"):
        fail_until(fail_times, attempt=attempt)


@pytest.mark.parametrize("fail_times", [-1, "2", 1.0, True, None, [1]])
def test_anything_but_a_count_is_refused_for_good(fail_times: object) -> None:
    with pytest.raises(InvalidInput, match="integer of 0 or more"):
        fail_until(fail_times, attempt=1)
