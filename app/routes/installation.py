"""The queues and workers of the installation."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.deps import TheClient
from app.errors import documented
from bridge.protocol.clock import iso
from bridge.queues import QueueDepth, WorkerStatus

router = APIRouter(prefix="/v1", tags=["installation"])


class Queue(BaseModel):
    """How many messages wait in a queue."""

    name: str
    ready: int = Field(description="Messages that wait for a worker.")
    by_priority: dict[int, int] = Field(description="The same by priority step: 0, 3, 6, 9; 0 is served first.")

    @classmethod
    def of(cls, depth: QueueDepth) -> "Queue":
        """From what the bridge knows."""
        return cls(name=depth.name, ready=depth.ready, by_priority=dict(depth.by_priority))


class Queues(BaseModel):
    """All queues that tasks were submitted to."""

    queues: list[Queue]
    unacked: int = Field(description="Messages that workers have taken and not yet acknowledged.")
    scheduled: int = Field(description="Tasks held until their time comes.")
    open: int = Field(description="Tasks that have not ended.")


class Worker(BaseModel):
    """A worker as its last heartbeat has it."""

    hostname: str
    online: bool
    heard_at: str
    active: int | None = Field(None, description="Tasks that run.")
    processed: int | None = Field(None, description="Tasks since it started.")
    loadavg: list[float] | None = None
    software: str | None = None

    @classmethod
    def of(cls, status: WorkerStatus) -> "Worker":
        """From what the bridge knows."""
        said: Any = status.heartbeat
        return cls(
            hostname=status.hostname,
            online=status.online,
            heard_at=iso(status.heard_at),
            active=said.get("active"),
            processed=said.get("processed"),
            loadavg=said.get("loadavg"),
            software=" ".join(filter(None, (said.get("sw_ident"), said.get("sw_ver")))) or None,
        )


class Workers(BaseModel):
    """All workers that were heard of within an hour."""

    workers: list[Worker]


@router.get("/queues", responses=documented(503), summary="Queues and how deep they are")
async def read_queues(client: TheClient) -> Queues:
    """Queues that tasks were submitted to, and the default queue."""
    backlog = await client.backlog()
    return Queues(
        queues=[Queue.of(depth) for depth in backlog.queues],
        unacked=backlog.unacked,
        scheduled=backlog.scheduled,
        open=backlog.open,
    )


@router.get("/workers", responses=documented(503), summary="Workers, by their heartbeats")
async def read_workers(client: TheClient) -> Workers:
    """No worker is asked, so none has to be waited for: this is what the watcher heard of them last."""
    return Workers(workers=[Worker.of(status) for status in await client.workers()])
