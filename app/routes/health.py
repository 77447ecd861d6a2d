"""Whether the service is alive, and whether it can do its work."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.deps import TheClient
from app.errors import Problem, ProblemRaised, documented
from app.schemas import now_ms
from bridge import TaskClient
from bridge.errors import PetioleError
from bridge.remote.queues import WatcherStatus

router = APIRouter(tags=["health"])
WATCHER_SILENCE_MS = 10_000
"""A watcher gives a sign of life every second; after so long without one it is taken for dead."""


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """The service can take tasks and follow them."""

    status: str = "ready"
    redis: str = "ok"
    watchers: int = Field(description="Watchers that are alive.")
    lag_ms: int = Field(description="How far behind the news the best of them is.")


@router.get("/healthz", summary="Is the process alive?")
async def read_alive() -> Alive:
    """Answers without asking Redis: a restart would not mend a Redis that is away."""
    return Alive()


@router.get("/readyz", responses=documented(503), summary="Can it do its work?")
async def read_ready(client: TheClient) -> Ready:
    """503 says what is wrong: Redis does not answer, or no watcher is alive, so that no update would ever come."""
    try:
        return await _ready(client)
    except PetioleError as error:
        raise ProblemRaised(_not_ready(str(error), redis="away", watchers=0)) from error


async def watchers_alive(client: TaskClient) -> list[WatcherStatus]:
    """Those that gave a sign of life lately. Raises `BrokerUnavailable` when Redis does not answer."""
    now = now_ms()
    return [watcher for watcher in await client.watchers() if now - watcher.at < WATCHER_SILENCE_MS]


async def _ready(client: TaskClient) -> Ready:
    alive = await watchers_alive(client)
    if not alive:
        detail = (
            "No watcher is alive: tasks are queued and run, but their updates do not come. Start `petiole watcher`."
        )
        raise ProblemRaised(_not_ready(detail, redis="ok", watchers=0))
    return Ready(watchers=len(alive), lag_ms=min(watcher.lag_ms for watcher in alive))


def _not_ready(detail: str, *, redis: str, watchers: int) -> Problem:
    more = {"redis": redis, "watchers": watchers}
    return Problem(type="not-ready", status=503, detail=detail, more=more, headers={"Retry-After": "2"})
