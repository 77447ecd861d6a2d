"""What somebody has learned of a task, and the update it may become. `advance.lua` decides whether it does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bridge.protocol.clock import iso
from bridge.protocol.compact import compact
from bridge.protocol.state import ENDS, TABLE, Status

UNKNOWN_ATTEMPT = 0
Fields = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One piece of news. Without a `status` it is what a task says while it runs: progress, output, a line of its log.

    `details` go into the update as they are; `facts` are fields of the record that even late news may fill in;
    `changes` are fields of the record that only news that moves the task sets.
    """

    task_id: str
    status: Status | None
    at_ms: int
    attempt: int = UNKNOWN_ATTEMPT
    celery_state: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    facts: Fields = field(default_factory=dict)
    changes: Fields = field(default_factory=dict)
    adopts: bool = False
    from_backend: bool = False
    swept: bool = False
    """Read at `at_ms`, not heard as it happened: so it is old news if there was other news since, or just then."""
    spares_running: bool = False
    """An end for a task that does not run: a worker told to revoke one stores that it is, also while it runs."""
    said: str = ""
    """When a task said it: seconds by its worker's clock, and the number of its event there; empty for unknown. Of one
    attempt, what is not later than what was told of it is dropped."""
    kin: tuple[str, ...] = ()
    """Tasks that it comes of, the nearest first: one that is adopted is of their owner and of their batch."""
    withdraw_from: str = ""
    """List to take the task's message out of; the news is dropped when it is not there any more."""

    untold: bool = False
    """An end of which the result backend does not say it yet: noted until it does."""

    @property
    def final(self) -> bool:
        """Whether this is an end."""
        return self.status in ENDS

    def script_args(self) -> list[str | int | bytes]:
        """The arguments of `advance.lua` for this news."""
        facts, changes = _flat(self.facts), _flat(self._all_changes())
        return [
            self.task_id,
            self.status or "",
            self.attempt,
            self.at_ms,
            self._flags(),
            self.withdraw_from,
            self.said,
            " ".join(self.kin).encode(errors="replace") if self.adopts else "",
            update_rest(self.details, self.at_ms, final=self.final),
            len(facts),
            *facts,
            len(changes),
            *changes,
        ]

    def _flags(self) -> str:
        keeps_payload = self.final and self.status is not Status.SUCCEEDED
        origin = "A" * self.adopts + "B" * self.from_backend + "S" * self.swept
        return origin + "P" * keeps_payload + "R" * self.spares_running + "U" * self.untold

    def _all_changes(self) -> dict[str, str | int]:
        state = self.celery_state or (TABLE[self.status].celery_state if self.status else "")
        return {"celery_state": state, **self.changes} if state else dict(self.changes)


def _flat(fields: Fields) -> list[int | bytes]:
    """Fields and values in turn. What workers say may hold half of a surrogate pair, which is not UTF-8."""
    parts = (part for pair in fields.items() for part in pair)
    return [part if isinstance(part, int) else part.encode(errors="replace") for part in parts]


def update_rest(details: Mapping[str, Any], at_ms: int, *, final: bool = False) -> bytes:
    """What follows status and attempt in an update. The time stands last, where `advance.lua` looks past it."""
    parts = [compact(details)[1:-1]] if details else []
    if final:
        parts.append('"final":true')
    parts.append(f'"time":"{iso(at_ms)}"}}')
    return ("," + ",".join(parts)).encode(errors="replace")


@lru_cache(64)
def submitted_update(at_ms: int, eta_ms: int | None = None) -> bytes:
    """The first update of a task: the same for all of one moment."""
    return first_update(Status.SUBMITTED, at_ms, eta_ms)


def first_update(status: Status, at_ms: int, eta_ms: int | None = None) -> bytes:
    """An update of a task's first attempt, as `accept.lua` records it; with the time that it waits for, if any."""
    details = {} if eta_ms is None else {"eta": iso(eta_ms)}
    return f'{{"status":"{status}","attempt":1'.encode() + update_rest(details, at_ms)


_AS_TIMES = re.compile(rb"([0-9]{1,14})(?: ([0-9]{1,14}))?")


def update_text(stored: bytes) -> bytes:
    """An update, of what a history has for it: for the first one its times alone, see ``history.lua``."""
    if stored.startswith(b"{") or not (times := _AS_TIMES.fullmatch(stored)):
        return stored
    at_ms, eta_ms = times.groups()
    return submitted_update(int(at_ms), int(eta_ms) if eta_ms else None)
