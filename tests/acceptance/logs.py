"""What the processes of an installation print: kept, so that a story that fails can show it."""

from collections import defaultdict, deque

KEPT_LINES = 2_000
SHOWN_LINES = 60


class ProcessLog:
    """Takes lines of processes by name; the latest `KEPT_LINES` of each."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT_LINES))

    def take(self, name: str, line: str) -> None:
        """One line that a process printed."""
        self._lines[name].append(line)

    def times(self, name: str, text: str) -> int:
        """How many lines a process has printed with this in them."""
        return sum(text in line for line in self._lines[name])

    def latest(self) -> dict[str, str]:
        """The last lines of each process."""
        return {name: "\n".join(list(lines)[-SHOWN_LINES:]) for name, lines in self._lines.items()}
