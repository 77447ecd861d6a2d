"""Fresh UUIDs of version 4, as text, made several times faster than `str(uuid.uuid4())`: each submit needs three."""

import os

_BATCH = 256
_DIGITS = 32
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Ids:
    """Makes UUIDs out of the system's random bytes, some at a time."""

    def __init__(self) -> None:
        self._ready: list[str] = []

    def new(self) -> str:
        """A UUID that nobody has seen."""
        if not self._ready:
            self._ready = _uuids(os.urandom(_BATCH * _DIGITS // 2).hex())
        return self._ready.pop()


def _uuids(digits: str) -> list[str]:
    parts = (digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS))
    return [f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{_VARIANT[one[16]]}{one[17:20]}-{one[20:]}" for one in parts]
