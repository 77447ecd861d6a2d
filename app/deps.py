"""What routes ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request

from app.auth import ANYBODY, Caller
from app.entrance import Entrance
from app.errors import Problem, ProblemRaised
from app.settings import Settings
from app.traffic import Traffic
from bridge import TaskClient

OWNERS_KNOWN = 1_024
"""Owners whose edges a process keeps; they are made anew when there are more."""


@dataclass(slots=True)
class Streams:
    """The streams this process serves now."""

    limit: int
    open: int = 0
    closing: bool = False
    """Set when the server begins to stop; every stream then says so and ends."""

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one more stream for as long as the block runs.

        Raises:
            ProblemRaised: there are as many as there may be.
        """
        if self.open >= self.limit:
            raise ProblemRaised(_saturated(self.limit))
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


def _saturated(limit: int) -> Problem:
    return Problem(
        type="streams-saturated",
        status=503,
        detail=f"This process serves {limit} streams already. Try again, at another replica if there is one.",
        headers={"Retry-After": "1"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Everything that lives as long as the application."""

    settings: Settings
    client: TaskClient
    streams: Streams = field(default_factory=lambda: Streams(limit=0))
    entrance: Entrance = field(default_factory=Entrance)
    traffic: Traffic = field(default_factory=Traffic)
    of_owners: dict[str, "Edge"] = field(default_factory=dict, repr=False)

    def of(self, owner: str) -> "Edge":
        """The same, with a client for which tasks of other owners do not exist. ``""`` owns everything."""
        if not owner:
            return self
        if owner not in self.of_owners:
            if len(self.of_owners) >= OWNERS_KNOWN:
                self.of_owners.clear()
            self.of_owners[owner] = replace(self, client=self.client.as_owner(owner))
        return self.of_owners[owner]


def edge_of(request: Request) -> Edge:
    """What the application that a request came to lives on, as it is for the caller: no route has another one."""
    edge: Edge = request.app.state.edge
    caller: Caller = request.scope.get("state", {}).get("caller", ANYBODY)
    return edge.of(caller.owner)


async def _edge(request: Request) -> Edge:  # async, since FastAPI runs plain functions in a thread
    return edge_of(request)


async def _client(request: Request) -> TaskClient:
    return edge_of(request).client


TheEdge = Annotated[Edge, Depends(_edge)]
TheClient = Annotated[TaskClient, Depends(_client)]
