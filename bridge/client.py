"""The client: submit tasks of a Celery installation and know what becomes of them, in asyncio and without Celery."""

import os
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Unpack

from bridge.errors import TaskEnded
from bridge.follower import Follower, following, updates
from bridge.hub import DEFAULT_BUFFER, Hub
from bridge.ids import Ids
from bridge.mailbox import Mailbox
from bridge.options import Options, SubmitOptions
from bridge.protocol.events import Sender
from bridge.protocol.message import TaskMessage
from bridge.protocol.news import News
from bridge.protocol.result import TaskMeta, read_meta
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.publisher import Identity, Publisher, Submission
from bridge.queues import Backlog, Queues, WatcherStatus, WorkerStatus
from bridge.redis import Redis
from bridge.result_backend import ResultBackend
from bridge.settings import BridgeSettings
from bridge.status import StatusUpdate, TaskRecord
from bridge.status_store import StatusStore


class Cancelled(StrEnum):
    """What a request to cancel achieved."""

    NEVER_RAN = "never-ran"
    """The task was taken out of its queue; it is cancelled."""
    REQUESTED = "requested"
    """A worker has it. Workers were told; a task that runs goes on unless it is terminated."""


class TaskClient:
    """An asyncio client of one Celery installation on Redis. Made by `connect` or `open_client`."""

    def __init__(self, *, settings: BridgeSettings, parts: "_Parts") -> None:
        self.settings = settings
        self._parts = parts
        self._origin = parts.sender.hostname

    def __repr__(self) -> str:
        return f"<TaskClient {self._parts.publisher!r} {self._parts.hub!r}>"

    async def submit(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> "TaskHandle":
        """Queue a task by its name; returns once it is queued *and* recorded. Options: see `SubmitOptions`.

        Raises:
            InvalidMessage: something in it would harm a worker or could not be read back.
            DuplicateTask, QueueSaturated, PublisherBusy: the task was not accepted, and nothing was queued.
            BrokerUnavailable: Redis did not answer.
        """
        submission = self._submission(task, args, kwargs or {}, Options(**options))
        await self._parts.publisher.publish(submission)
        return TaskHandle(self, submission.message.task_id)

    def _submission(self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Options) -> Submission:
        now = datetime.now(UTC)
        message = TaskMessage(
            task=task,
            task_id=options.task_id or self._parts.new_id(),
            args=args,
            kwargs=kwargs,
            eta=options.due(now),
            expires=options.deadline(now),
            time_limit=options.time_limit,
            soft_time_limit=options.soft_time_limit,
            origin=self._origin,
        )
        queue = options.queue if options.queue is not None else self.settings.default_queue
        return Submission(message=message, route=Route(queue=queue, priority=options.priority), tags=options.tags)

    def handle(self, task_id: str) -> "TaskHandle":
        """A handle of a task submitted elsewhere or earlier."""
        return TaskHandle(self, task_id)

    async def record(self, task_id: str) -> TaskRecord:
        """What is known of a task now.

        Raises:
            TaskNotFound: nothing is.
            BrokerUnavailable: Redis does not answer.
        """
        return await self._parts.store.record(task_id)

    async def history(self, task_id: str, after: int = 0) -> Sequence[StatusUpdate]:
        """The updates that are kept, with a seq above `after`. Raises as `record` does."""
        return (await self._parts.store.read_after(task_id, after)).updates

    async def stored_result(self, task_id: str) -> TaskMeta | None:
        """What the result backend holds, the result whole; None when there is nothing.

        Raises:
            UnreadableBytes: it is not what Celery stores.
            BrokerUnavailable: the backend does not answer.
        """
        (value,) = await self._parts.backend.stored([task_id])
        return read_meta(value) if value else None

    def following(
        self, task_id: str, after: int = 0, *, limit: int = DEFAULT_BUFFER
    ) -> AbstractContextManager[Follower]:
        """A follower that a stream is made of: step by step, with a timeout. See `bridge.follower`."""
        return following(self._parts.store, self._parts.hub, task_id, after, limit=limit)

    def follow(
        self, task_id: str, after: int = 0, *, limit: int = DEFAULT_BUFFER
    ) -> AsyncGenerator[StatusUpdate, None]:
        """The updates of a task after `after`, as they come, to its end. Raises as `record` does."""
        return updates(self._parts.store, self._parts.hub, task_id, after, limit=limit)

    def wake_followers(self) -> None:
        """Let every follower that waits return with nothing, so that it can look whether it should go on."""
        self._parts.hub.wake_all()

    async def cancel(
        self, task_id: str, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = ""
    ) -> Cancelled:
        """Take a task out of its queue, or tell the workers to discard it.

        With `terminate` the process that runs it is sent `signal`. The reason is kept in the record.

        Raises:
            TaskNotFound: the task is not known.
            TaskEnded: it has ended already.
            InvalidMessage: `signal` is no name of a signal.
            BrokerUnavailable: Redis does not answer.
        """
        record = await self.record(task_id)
        if record.final:
            raise TaskEnded(task_id, record.status)
        await self._parts.store.note(task_id, {"cancel": reason}, _now_ms())
        if await self._withdraw(record, reason):
            await self._parts.backend.store_revoked(task_id)
            return Cancelled.NEVER_RAN
        await self._parts.mailbox.revoke(task_id, terminate=terminate, signal=signal)
        return Cancelled.REQUESTED

    async def _withdraw(self, record: TaskRecord, reason: str) -> bool:
        if record.queue is None:
            return False
        news = News(
            task_id=record.task_id,
            status=Status.CANCELLED,
            at_ms=_now_ms(),
            details={"error": {"type": "TaskRevokedError", "message": reason or "revoked"}},
            withdraw_from=Route(queue=record.queue, priority=record.priority).key,
        )
        (outcome,) = await self._parts.store.advance([news])
        return outcome.seq > 0

    async def backlog(self) -> Backlog:
        """Queues and how deep they are. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.backlog()

    async def workers(self) -> list[WorkerStatus]:
        """Workers by their heartbeats. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.workers(_now_ms())

    async def watchers(self) -> list[WatcherStatus]:
        """Watchers by their signs of life. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.watchers()


class TaskHandle:
    """One task. Every method raises `TaskNotFound` when it is not known, `BrokerUnavailable` without Redis."""

    __slots__ = ("_client", "task_id")

    def __init__(self, client: TaskClient, task_id: str) -> None:
        self._client = client
        self.task_id = task_id

    def __repr__(self) -> str:
        return f"<TaskHandle {self.task_id}>"

    async def status(self) -> Status:
        """Where the task is now."""
        return (await self._client.record(self.task_id)).status

    def follow(self, after: int = 0) -> AsyncGenerator[StatusUpdate, None]:
        """Its updates after `after`, as they come, to its end."""
        return self._client.follow(self.task_id, after)

    async def cancel(self, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = "") -> Cancelled:
        """Cancel it; see `TaskClient.cancel`."""
        return await self._client.cancel(self.task_id, terminate=terminate, signal=signal, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    sender: Sender
    new_id: Callable[[], str]
    publisher: Publisher
    store: StatusStore
    backend: ResultBackend
    hub: Hub
    mailbox: Mailbox
    queues: Queues


@asynccontextmanager
async def open_client(settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    """A client by settings. Redis need not be there yet: each call says whether it is."""
    ids = Ids()
    identity = Identity(sender=_sender(), reply_to=ids.new(), clock=time.time, new_id=ids.new)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.redis_url, settings))
        results = await stack.enter_async_context(Redis.open(settings.result_backend_url, settings))
        parts = _Parts(
            sender=identity.sender,
            new_id=ids.new,
            publisher=await stack.enter_async_context(Publisher.open(redis, settings, identity)),
            store=await stack.enter_async_context(StatusStore.open(redis, settings)),
            backend=ResultBackend(results, settings),
            hub=await stack.enter_async_context(Hub.open(redis, settings)),
            mailbox=Mailbox(redis, identity.new_id),
            queues=Queues(redis, settings),
        )
        yield TaskClient(settings=settings, parts=parts)


@asynccontextmanager
async def connect(url: str | None = None, *, backend: str | None = None) -> AsyncIterator[TaskClient]:
    """A client of the Celery installation at `url`; its results at `backend`, by default in the same place.

    What is not given is read from the environment, see `BridgeSettings`.

    Raises:
        InvalidSettings: a URL or a variable cannot work.
    """
    given = {name: value for name, value in (("redis_url", url), ("result_backend_url", backend)) if value}
    async with open_client(BridgeSettings.load(**given)) as client:
        yield client


def _sender() -> Sender:
    pid = os.getpid()
    return Sender(hostname=f"gen{pid}@{socket.gethostname()}", pid=pid, utc_offset=time.timezone / 3600)


def _now_ms() -> int:
    return int(time.time() * 1000)
