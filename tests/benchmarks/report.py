"""Figures and what they are held against."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, with the goal it is held against: at least, or at most, so much."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def __str__(self) -> str:
        goal = ""
        if self.at_least is not None:
            goal = f"at least {self.at_least:g}"
        elif self.at_most is not None:
            goal = f"at most {self.at_most:g}"
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return f"  {self.name:<58} {self.value:>10,.2f} {self.unit:<12} {goal:<16} {verdict}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Two things measured in turn, so that a machine that drifts drifts for both."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The median of ours / theirs, pair by pair."""
        return median(one / other for one, other in zip(self.ours, self.theirs, strict=True))

    def figures(
        self, ours: str, theirs: str, unit: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> list[Figure]:
        """Both medians and the ratio with its goal."""
        return [
            Figure(name=ours, value=median(self.ours), unit=unit),
            *self.compared(theirs, unit, at_least=at_least, at_most=at_most),
        ]

    def compared(
        self, theirs: str, unit: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> list[Figure]:
        """Their median and the ratio with its goal."""
        return [
            Figure(name=theirs, value=median(self.theirs), unit=unit),
            Figure(name=f"  ratio to {theirs}", value=self.ratio, unit="×", at_least=at_least, at_most=at_most),
        ]
