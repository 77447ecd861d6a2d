"""What routes ask for."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.settings import Settings
from bridge import TaskClient


@dataclass(slots=True)
class Streams:
    """The streams this process serves now."""

    limit: int
    open: int = 0
    closing: bool = False
    """Set when the server begins to stop; every stream then says so and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Everything that lives as long as the application."""

    settings: Settings
    client: TaskClient
    streams: Streams = field(default_factory=lambda: Streams(limit=0))


async def _edge(request: Request) -> Edge:
    edge: Edge = request.app.state.edge
    return edge


async def _client(request: Request) -> TaskClient:
    return (await _edge(request)).client


TheEdge = Annotated[Edge, Depends(_edge)]
TheClient = Annotated[TaskClient, Depends(_client)]
