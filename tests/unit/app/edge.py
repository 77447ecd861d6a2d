"""The HTTP edge on a client that does what a test tells it: no Redis, no lifespan, no sockets."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Unpack

import httpx
from fastapi import FastAPI

from app.deps import Edge, Streams
from app.settings import Settings
from bridge import Call, Cancelled, Canvas, StatusUpdate, SubmitOptions, TaskClient, TaskHandle, TaskRecord
from bridge.errors import HeldBack, PetioleError, TaskNotFound
from bridge.follow.feed import BEGINNING, Feed
from bridge.follow.follower import Follower
from bridge.follow.hub import DEFAULT_BUFFER
from bridge.follow.subscriber import Subscriber
from bridge.launcher import Begun
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.catalog import Catalog
from bridge.protocol.result import TaskMeta
from bridge.protocol.state import Status
from bridge.records.status_store import Missed
from bridge.remote.queues import Backlog, WatcherStatus
from bridge.submit.call import Asked, call_of
from bridge.submit.options import Options
from tests.unit.app.told_control import ToldClaims, ToldQueues, ToldReplays, ToldTasks
from tests.unit.bridge.updates import TASK_ID

MAX_BODY = 16_384
JSON = {"Content-Type": "application/json"}


def record(**fields: Any) -> TaskRecord:
    """A task that runs, unless told otherwise."""
    told: dict[str, Any] = {"status": Status.RUNNING, "celery_state": "STARTED", "attempt": 1, "seq": 3, **fields}
    return TaskRecord(task_id=told.pop("task_id", TASK_ID), **told)


@lru_cache
def _settings(**given: Any) -> Settings:
    """Settings do not change, and take a while to be read."""
    return Settings.load(**given)


class ToldHistory:
    """The updates of one task, of which the first `dropped` are not kept; the task is not known while it has none."""

    def __init__(self, *updates: StatusUpdate, dropped: int = 0) -> None:
        self.updates = list(updates)
        self.dropped = dropped
        self.fails: Exception | None = None

    async def read_after(self, task_id: str, after: int) -> Missed:
        """See `StatusStore.read_after`."""
        if self.fails:
            raise self.fails
        if not self.updates:
            raise TaskNotFound(task_id)
        kept = self.updates[max(after, self.dropped) :]
        return Missed(seq=len(self.updates), dropped=self.dropped, status=self.updates[-1].status, updates=kept)


class ToldFeed(Feed):
    """A feed in which nothing happens."""

    def __init__(self) -> None:
        self.told = BEGINNING

    async def end(self) -> str:
        """Its beginning, unless it is told another place."""
        return self.told


class ToldClient(TaskClient):
    """Answers what it is told, fails if told to, and keeps what was submitted and cancelled."""

    def __init__(self, history: ToldHistory | None = None, **told: Any) -> None:
        self.settings = _settings()
        self.feed = self.told_feed = ToldFeed()
        self.told: dict[str, Any] = {"record": record(), "result": None, "fails": None, **told}
        self.updates = history or ToldHistory()
        self.batches: list[tuple[str | None, list[Call]]] = []
        self.keys: list[str | None] = []
        self.claims = self.told_claims = ToldClaims()
        self.workflows: list[tuple[Canvas, str, str | None]] = []
        self.replays = self.told_replays = ToldReplays(self.told)
        self.queues = self.told_queues = ToldQueues(self.told)
        self.tasks = self.told_tasks = ToldTasks(self.told)
        self.submitted: list[tuple[str, list[Any], dict[str, Any], SubmitOptions]] = []
        self.cancelled: list[dict[str, Any]] = []
        self.subscribers: list[Subscriber] = []
        self.begun: asyncio.Queue[Subscriber] = asyncio.Queue()
        """Those who begin to follow, for a test that waits for them."""

    def __repr__(self) -> str:
        return f"<ToldClient subscribers={len(self.subscribers)}>"

    def _answer(self, name: str) -> Any:
        if self.told["fails"]:
            raise self.told["fails"]
        return self.told.get(name)

    async def submit(
        self,
        task: str,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> TaskHandle:
        """Keep it."""
        self._answer("submit")
        self.submitted.append((task, list(args or ()), dict(kwargs or {}), options))
        replayed = bool(self.told.get("replayed"))
        due = Options(countdown=options.get("countdown"), eta=options.get("eta")).due(datetime.now(UTC))
        return TaskHandle(self, options.get("task_id") or TASK_ID, eta=None if replayed else due, replayed=replayed)

    async def submit_many(
        self,
        calls: Iterable[Asked] | AsyncIterable[Asked],
        *,
        return_exceptions: bool = False,
        batch: str | None = None,
        atomic: bool = False,
        key: str | None = None,
    ) -> list[Any]:
        """Keep them; the outcomes are ids that tell the order, and the errors that came."""
        self._answer("submit_many")
        self.keys.append(key)
        asked = [one async for one in calls] if isinstance(calls, AsyncIterable) else list(calls)
        self.batches.append((batch, [call_of(one) for one in asked if not isinstance(one, PetioleError)]))
        held = atomic and any(isinstance(one, PetioleError) for one in asked)
        return [
            one if isinstance(one, PetioleError) else HeldBack(f"a{at}") if held else self._handle(f"a{at}")
            for at, one in enumerate(asked)
        ]

    def _handle(self, task_id: str) -> TaskHandle:
        return TaskHandle(self, task_id, replayed=bool(self.told.get("replayed")))

    async def start_batch(self, canvas: Canvas, batch: str, *, key: str | None = None) -> Begun:
        """Keep it; the result is what it was told, or one task. One that is replayed is of the batch w1."""
        self._answer("workflow")
        self.workflows.append((canvas, batch, key))
        result = self.told.get("workflow") or ResultNode(id=TASK_ID, task="any")
        return Begun("w1", "7-0", result, True) if self.told.get("replayed") else Begun(batch, BEGINNING, result)

    async def backlog(self) -> Backlog:
        """The backlog it was told."""
        found: Backlog = self._answer("backlog")
        return found

    async def watchers(self) -> list[WatcherStatus]:
        """The watchers it was told, none by default."""
        found: list[WatcherStatus] | None = self._answer("watchers")
        return found or []

    async def task_types(self) -> Catalog:
        """The catalog it was told, an empty one by default."""
        found: Catalog | None = self._answer("task_types")
        return found or Catalog.of([])

    async def record(self, task_id: str) -> TaskRecord:
        """The record it was told."""
        found: TaskRecord = self._answer("record")
        return found

    async def history(self, task_id: str, after: int = 0) -> Sequence[StatusUpdate]:
        """The updates it was told."""
        return (await self.updates.read_after(task_id, after)).updates

    async def stored_result(self, task_id: str) -> TaskMeta | None:
        """The result it was told."""
        found: TaskMeta | None = self._answer("result")
        return found

    async def cancel(
        self, task_id: str, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = ""
    ) -> Cancelled:
        """Keep it."""
        self._answer("cancel")
        self.cancelled.append({"task_id": task_id, "terminate": terminate, "signal": signal, "reason": reason})
        return Cancelled.REQUESTED

    def following(
        self, task_id: str, after: int = 0, *, limit: int = DEFAULT_BUFFER
    ) -> AbstractContextManager[Follower]:
        """A true follower, over the history it was told."""
        return self._following(task_id, after, limit)

    @contextmanager
    def _following(self, task_id: str, after: int, limit: int) -> Iterator[Follower]:
        subscriber = Subscriber(task_id, limit)
        self.subscribers.append(subscriber)
        self.begun.put_nowait(subscriber)
        try:
            yield Follower(self.updates, subscriber, after)
        finally:
            self.subscribers.remove(subscriber)

    def as_owner(self, owner: str) -> TaskClient:
        """The same: it answers what it is told, whoever asks."""
        return self

    def wake_followers(self) -> None:
        """Wake them."""
        for subscriber in self.subscribers:
            subscriber.wake()


def edge_on(client: TaskClient, *, max_streams: int = 8, **settings: Any) -> Edge:
    """An edge with these settings."""
    return Edge(settings=_settings(**settings), client=client, streams=Streams(limit=max_streams))


@asynccontextmanager
async def requests_to(app: FastAPI, edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which lives on this edge."""
    app.state.edge = edge
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://petiole", trust_env=False) as http:
        yield http


async def asked(app: FastAPI, client: TaskClient, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer to one request."""
    async with requests_to(app, edge_on(client)) as http:
        return await http.request(method, path, **request)
