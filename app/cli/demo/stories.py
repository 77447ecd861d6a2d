"""What `petiole demo` submits, what must become of it, and whether it did. Pure but for the reading of the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.cli.errors import UsageProblem
from app.cli.following.updates import Update

PENGUINS = Path(__file__).parents[3] / "data" / "penguins_raw.csv"
SAMPLE = "sample payload"


@dataclass(frozen=True, kw_only=True)
class Story:
    """One task of the demo and how it must end. Without a `request` it goes through POST /tasks/submit."""

    title: str
    request: Mapping[str, Any] | None
    ends: str
    attempts: int = 1


@dataclass(frozen=True, kw_only=True)
class Told:
    """A story and everything that the task's stream said."""

    story: Story
    task_id: str
    updates: Sequence[Update] = field(repr=False)

    @property
    def last(self) -> Update:
        """The last update. A stream says at least one thing."""
        return self.updates[-1]

    @property
    def delays(self) -> list[float]:
        """Seconds from each failed attempt to the time that the next one was put off to."""
        failed = {update.attempt: update.content["time"] for update in self.updates if update.status == "retrying"}
        put_off = {update.attempt: update.content["eta"] for update in self.updates if update.content.get("eta")}
        return [_seconds_between(failed[attempt], put_off.get(attempt + 1, failed[attempt])) for attempt in failed]

    def complaints(self) -> list[str]:
        """Everything that is not as it should be; empty when all is well."""
        numbers = [update.seq for update in self.updates if update.seq is not None]
        wrong = {
            f"ended {self.last.status}, not {self.story.ends}": self.last.status != self.story.ends,
            f"took {self.last.attempt} attempts, not {self.story.attempts}": self.last.attempt != self.story.attempts,
            f"updates are numbered {numbers}": numbers != list(range(1, len(numbers) + 1)),
            f"delays do not grow: {self.delays}": any(later <= sooner for sooner, later in pairwise(self.delays)),
            f"{len(self.delays)} delays for {self.story.attempts} attempts": len(self.delays)
            != self.story.attempts - 1,
            "the error says nothing": self.story.ends == "failed" and not self.last.remark,
        }
        return [complaint for complaint, holds in wrong.items() if holds]


def stories() -> list[Story]:
    """The four tasks of the demo.

    Raises:
        UsageProblem: the table of penguins is not there, so this is not a checkout of the repository.
    """
    return [
        Story(title="summarise penguins", request=_request("summarise_csv", _penguins()), ends="succeeded"),
        Story(title="heavy task", request=None, ends="succeeded"),
        Story(title="flaky, fails twice", request=_request("flaky", 2), ends="succeeded", attempts=3),
        Story(title="summarise nothing", request=_request("summarise_csv", ""), ends="failed"),
    ]


def _request(task: str, argument: object) -> dict[str, Any]:
    return {"task": f"workers.tasks.{task}", "args": [argument]}


def _penguins() -> str:
    try:
        return PENGUINS.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageProblem(f"The demo needs {PENGUINS}. Run it from a checkout: python3 run.py demo") from error


def _seconds_between(sooner: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(sooner)).total_seconds()
