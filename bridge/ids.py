"""Fresh UUIDs of version 4, as text, made several times faster than `str(uuid.uuid4())`: each submit needs three."""

import os

_BATCH = 256
_VERSION = 0x4 << 76
_VARIANT = 0x8 << 60
_KEEP = ~((0xF << 76) | (0xC << 60))


class Ids:
    """Makes UUIDs out of the system's random bytes, read some at a time."""

    def __init__(self) -> None:
        self._random = b""
        self._at = 0

    def new(self) -> str:
        """A UUID that nobody has seen."""
        if self._at >= len(self._random):
            self._random, self._at = os.urandom(16 * _BATCH), 0
        number = int.from_bytes(self._random[self._at : self._at + 16])
        self._at += 16
        digits = f"{number & _KEEP | _VERSION | _VARIANT:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
