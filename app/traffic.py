"""What this process answered: how many requests, and how long each took until its answer began."""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, inf)
"""Upper ends of the durations that are told apart, in seconds."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
OTHER = "other"
"""Any other method: a client may invent thousands."""
NO_ROUTE = "none"
"""Where no route of the API took the request, as for an unknown path, `/docs` or a body that is too large."""
SERVER_ERROR = 500


class Kind(NamedTuple):
    """What requests are told apart by; `route` is a template, as `/v1/tasks/{task_id}`."""

    method: str
    route: str
    status: int


@dataclass(slots=True)
class Tally:
    """Requests of one kind, by their durations, and how long they took together."""

    by_bound: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    seconds: float = 0.0


class Traffic:
    """Tallies, each with a place for every bound, so that to count a request is two additions."""

    def __init__(self) -> None:
        self._tallies: dict[Kind, Tally] = {}

    def __repr__(self) -> str:
        return f"<Traffic kinds={len(self._tallies)}>"

    @property
    def tallies(self) -> Mapping[Kind, Tally]:
        """By kind."""
        return self._tallies

    def note(self, kind: Kind, seconds: float) -> None:
        """Count one request."""
        tally = self._tallies.get(kind)
        if tally is None:
            tally = self._tallies[kind] = Tally()
        tally.by_bound[bisect_left(BOUNDS, seconds)] += 1
        tally.seconds += seconds


class Counted:
    """Counts each request in `traffic` when its answer begins. `clock` gives seconds, and never goes back."""

    def __init__(self, app: ASGIApp, traffic: Traffic, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app = app
        self._traffic = traffic
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. An error that nothing answers is answered 500 further out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, begun = self._clock(), False

        async def send_counted(message: Message) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._traffic.note(_kind(scope, message["status"]), self._clock() - began)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            if not begun:
                self._traffic.note(_kind(scope, SERVER_ERROR), self._clock() - began)
            raise


def _kind(scope: Scope, status: int) -> Kind:
    method: str = scope["method"]
    route: str = getattr(scope.get("route"), "path", NO_ROUTE)
    return Kind(method if method in METHODS else OTHER, route, status)
