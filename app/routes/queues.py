"""The queues of the installation: how they stand, and pausing, resuming and purging them."""

from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.deps import TheClient
from app.errors import documented
from app.schemas import now_ms
from app.segments import SegmentRoute
from bridge.errors import QueueNotFound
from bridge.remote.queues import QueueState

router = APIRouter(prefix="/v1/queues", tags=["installation"], route_class=SegmentRoute)
QueueName = Annotated[
    str, Path(max_length=255, description="As it was given when a task was submitted; a slash in it as `%2F`.")
]


class Queue(BaseModel):
    """How a queue stands."""

    name: str
    ready: int = Field(description="Messages that wait for a worker.")
    by_priority: dict[int, int] = Field(description="The same by priority step: 0, 3, 6, 9; 0 is served first.")
    unacked: int = Field(description="Messages that workers have taken and not yet acknowledged.")
    scheduled: int = Field(description="Tasks held until their time comes.")
    oldest_age_seconds: float | None = Field(
        description="How long the task has waited that waits longest; null when none waits that was submitted here."
    )
    consumers: list[str] = Field(description="Workers that take tasks from it; a new one is known within seconds.")
    paused: bool

    @classmethod
    def of(cls, state: QueueState, now: int) -> Self:
        """From what the bridge knows, at a time (ms)."""
        return cls(
            name=state.name,
            ready=state.ready,
            by_priority=dict(state.by_priority),
            unacked=state.unacked,
            scheduled=state.scheduled,
            oldest_age_seconds=None if state.oldest_since is None else max(0, now - state.oldest_since) / 1000,
            consumers=list(state.consumers),
            paused=state.paused,
        )


class Queues(BaseModel):
    """All queues that tasks were submitted to, or that workers take tasks from."""

    queues: list[Queue]
    unacked: int = Field(description="Messages that workers have taken and not yet acknowledged.")
    scheduled: int = Field(description="Tasks held until their time comes.")
    open: int = Field(description="Tasks that have not ended.")
    exact: bool = Field(description="False when there are so many that not all were counted by queue.")


class PauseOutcome(BaseModel):
    """Whether a queue is paused now."""

    queue: str
    paused: bool


class PurgeOutcome(BaseModel):
    """What a purge has dropped."""

    queue: str
    purged: int = Field(description="Messages that were dropped.")
    ready: int = Field(description="Messages that wait still; when there are some, purge again.")


@router.get("", responses=documented(503), summary="Queues and how they stand")
async def read_queues(client: TheClient) -> Queues:
    """Queues that tasks were submitted to, or that workers take tasks from, and the default one. No worker is asked."""
    backlog, now = await client.backlog(), now_ms()
    return Queues(
        queues=[Queue.of(state, now) for state in backlog.queues],
        unacked=backlog.unacked,
        scheduled=backlog.scheduled,
        open=backlog.open,
        exact=backlog.is_exact,
    )


@router.get("/{queue}", responses=documented(404, 422, 503), summary="A queue and how it stands")
async def read_queue(queue: QueueName, client: TheClient) -> Queue:
    """404 `queue-not-found` for one that nothing was submitted to and that no worker takes tasks from."""
    for state in (await client.backlog()).queues:
        if state.name == queue:
            return Queue.of(state, now_ms())
    raise QueueNotFound(queue)


@router.post("/{queue}/pause", status_code=202, responses=documented(404, 422, 503), summary="Pause a queue")
async def pause_queue(queue: QueueName, client: TheClient) -> PauseOutcome:
    """From now on a submit to the queue is answered 409 `queue-paused`, and workers take nothing from it, also those
    that start later. What they have taken already they run. Retries still go into it, and wait.
    """
    await client.queues.pause(queue)
    return PauseOutcome(queue=queue, paused=True)


@router.post("/{queue}/resume", status_code=202, responses=documented(404, 422, 503), summary="Resume a queue")
async def resume_queue(queue: QueueName, client: TheClient) -> PauseOutcome:
    """Submits are accepted again, and the workers that took tasks from it before do so again."""
    await client.queues.resume(queue)
    return PauseOutcome(queue=queue, paused=False)


@router.post("/{queue}/purge", status_code=202, responses=documented(404, 422, 503), summary="Purge a queue")
async def purge_queue(queue: QueueName, client: TheClient) -> PurgeOutcome:
    """Drop the messages that wait, up to 10,000 in a call. Their tasks are `cancelled`, with the reason `purged`.

    Tasks that a worker has taken, and those that are held until their time, stay.
    """
    done = await client.queues.purge(queue)
    return PurgeOutcome(queue=queue, purged=done.purged, ready=done.ready)
