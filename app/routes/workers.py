"""The workers of the installation."""

from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.deps import TheClient
from app.errors import documented
from bridge.protocol.clock import iso
from bridge.remote.queues import WorkerStatus

router = APIRouter(prefix="/v1/workers", tags=["installation"])


class Worker(BaseModel):
    """A worker as its last heartbeat has it, and as it told when it was asked within the last minute."""

    hostname: str
    online: bool
    heard_at: str
    active: int | None = Field(None, description="Tasks that run.")
    processed: int | None = Field(None, description="Tasks since it started.")
    loadavg: list[float] | None = Field(None, description="Load of its machine, of 1, 5 and 15 minutes.")
    software: str | None = Field(None, description="Its version, for example `py-celery 5.6.3`.")
    system: str | None = Field(None, description="For example `Linux`.")
    pool_size: int | None = Field(None, description="Tasks that it runs at once; null until it has told.")
    queues: list[str] | None = Field(None, description="Queues that it takes tasks from; null until it has told.")

    @classmethod
    def of(cls, status: WorkerStatus) -> Self:
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
            system=said.get("sw_sys"),
            pool_size=status.pool_size,
            queues=None if status.queues is None else list(status.queues),
        )


class Workers(BaseModel):
    """All workers that were heard of within an hour."""

    workers: list[Worker]


@router.get("", responses=documented(503), summary="Workers, by their heartbeats")
async def read_workers(client: TheClient) -> Workers:
    """No worker is asked, so none has to be waited for: this is what the watcher heard of them last."""
    return Workers(workers=[Worker.of(status) for status in await client.workers()])
