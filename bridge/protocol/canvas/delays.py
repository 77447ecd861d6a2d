"""Delays within a canvas: when its parts can have ended, and whether what a chord counts with is kept as long as that.

A worker that ends a task of a header lets the keys of the chord live for its ``result_expires`` from then on, however
long they had (``on_chord_part_return`` in celery/backends/redis.py), and so it does when it begins a chord. When the
next task ends later than that, its chord is gone, and the body never runs.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.shape import parts
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature

Delay = Mapping[str, Any]
"""Of the options of a part those that put it off."""


class Delays:
    """The delays of parts, in seconds from `now`. What a part takes to run is not known, so it counts for nothing."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def end(self, canvas: Canvas, start: float = 0, imposed: Delay | None = None) -> float:
        """When `canvas`, whose turn comes at `start`, can have ended; what is around it may impose a delay on it."""
        delay = _delay_of({**canvas.options, **(imposed or {})})
        if isinstance(canvas, Signature):
            return self._begin(start, delay)
        if isinstance(canvas, Group):
            return max((self.end(task, start, delay) for task in canvas.tasks), default=start)
        if isinstance(canvas, Chord):
            return self.end(canvas.body, self.end(canvas.header, start, delay), delay)
        for task in canvas.tasks:
            start, delay = self.end(task, start, delay), {}
        return start

    def _begin(self, start: float, delay: Delay) -> float:
        if delay.get("countdown"):
            return start + float(delay["countdown"])
        if eta := delay.get("eta"):
            aware = eta if eta.tzinfo else eta.replace(tzinfo=UTC)
            return max(start, float((aware - self._now).total_seconds()))
        return start

    def check(self, canvas: Canvas, life: float, pointer: str = "", start: float = 0, *, later: bool = False) -> None:
        """Check that no chord in it waits longer than `life` seconds for the next task of its header.

        The first of them is waited for as long as it takes, unless a worker begins the chord, when it is `later`.

        Raises:
            InvalidMessage: one does; the pointer leads to the member that comes too late.
        """
        if isinstance(canvas, Chord):
            self._check_header(canvas, life, pointer, start, later=later)
        for place, part, turn, by_worker in self._turns(canvas, start):
            self.check(part, life, f"{pointer}/{place}", turn, later=later or by_worker)

    def _check_header(self, chord: Chord, life: float, pointer: str, start: float, *, later: bool) -> None:
        delay = _delay_of({**chord.options, **chord.header.options})
        ends = sorted((self.end(task, start, delay), index) for index, task in enumerate(chord.header.tasks))
        before = start if later or not ends else ends[0][0]
        for end, index in ends:
            if end - before > life:
                raise InvalidMessage(
                    f"{pointer}/header/{index}",
                    f"is put off by {end - before:.0f} s more than what ends before it, and workers forget a chord in "
                    f"which nothing ends for {life:.0f} s, their result_expires: the body would never run",
                )
            before = end

    def _turns(self, canvas: Canvas, start: float) -> Iterator[tuple[str, Any, float, bool]]:
        """What stands directly in a canvas: its place, itself, when its turn comes, and whether a worker begins it."""
        part: Any
        after = start
        for place, part in parts(canvas):
            if place.startswith("options/"):
                yield place, part, self.end(canvas, start), True
            elif isinstance(canvas, Chord) and place == "body":
                yield place, part, self.end(canvas.header, start, _delay_of(canvas.options)), True
            else:
                yield place, part, after, place != "tasks/0" and isinstance(canvas, Chain)
                after = self.end(part, after) if isinstance(canvas, Chain) else start


def _delay_of(options: Mapping[str, Any]) -> Delay:
    return {name: options[name] for name in ("countdown", "eta") if name in options}
