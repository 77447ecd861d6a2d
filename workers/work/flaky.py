"""A piece of work that fails as often as it is told to, to see retries."""

from typing import TypedDict

from workers.errors import InvalidInput, TransientError


class Survived(TypedDict):
    """How many attempts it took, the successful one included."""

    attempts: int


def fail_until(fail_times: object, *, attempt: int) -> Survived:
    """Fail the attempts 1 to `fail_times`, succeed afterwards.

    Raises:
        TransientError: it is not yet time to succeed.
        InvalidInput: `fail_times` is not an integer of 0 or more.
    """
    if not isinstance(fail_times, int) or isinstance(fail_times, bool) or fail_times < 0:
        raise InvalidInput(f"fail_times must be an integer of 0 or more, got {fail_times!r:.80}.")
    if attempt <= fail_times:
        raise TransientError(f"Attempt {attempt} failed on purpose; the first {fail_times} do.")
    return {"attempts": attempt}
