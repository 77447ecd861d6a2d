"""What time it is for tests."""

import time
from dataclasses import dataclass

START = 1_795_488_861.5


@dataclass
class Clock:
    """A clock that stands still until a test moves it; `now` in seconds."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    @property
    def ms(self) -> int:
        return int(self.now * 1000)


class WallClock(Clock):
    """The real time, for tests with processes that have it too."""

    @property
    def ms(self) -> int:
        return int(time.time() * 1000)
