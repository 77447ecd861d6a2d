"""The client: submit tasks of a Celery installation and know what becomes of them, in asyncio and without Celery."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Unpack

from bridge.control import TaskControl
from bridge.errors import TaskEnded
from bridge.follower import Follower, following, updates
from bridge.handle import Cancelled, GroupHandle, TaskHandle, handle_of
from bridge.hub import DEFAULT_BUFFER
from bridge.options import Options, SubmitOptions
from bridge.parts import Parts, open_parts
from bridge.protocol.canvas import Canvas, Sending, plan
from bridge.protocol.events import CeleryEvent
from bridge.protocol.message import TaskMessage
from bridge.protocol.news import News
from bridge.protocol.result import TaskMeta, outcome, read_meta
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.publisher import Submission
from bridge.queues import Backlog, WatcherStatus, WorkerStatus
from bridge.settings import BridgeSettings
from bridge.status import StatusUpdate, TaskRecord

AT_ONCE = 1_000
"""Messages of one workflow that wait for their round trip at once."""


class TaskClient:
    """An asyncio client of one Celery installation on Redis. Made by `connect` or `open_client`."""

    def __init__(self, *, settings: BridgeSettings, parts: Parts) -> None:
        self.settings = settings
        self.control = TaskControl(parts.mailbox)
        """Remote control of the workers."""
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
    ) -> TaskHandle:
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

    async def start(self, canvas: Canvas) -> TaskHandle | GroupHandle:
        """Queue a workflow: a signature, chain, group or chord of `bridge.canvas`, nested at will.

        The handle is that of its result: of a chain the last task's, of a chord the body's, of a group the group's.

        Raises:
            InvalidMessage: something in it would harm a worker, or would wait for ever; the pointer leads there.
            DuplicateTask, QueueSaturated, PublisherBusy, BrokerUnavailable: not all of it was queued.
        """
        sending = Sending(
            new_id=self._parts.new_id,
            now=datetime.now(UTC),
            queue=self.settings.default_queue,
            reply_to=self._parts.reply_to,
            origin=self._origin,
        )
        planned = plan(canvas, sending)
        # A chord's counter must be there before the first of its tasks can end, or its body never runs.
        await self._parts.backend.store_chords([(key.key, key.value) for key in planned.keys])
        for at in range(0, len(planned.messages), AT_ONCE):
            tasks = planned.messages[at : at + AT_ONCE]
            submissions = (Submission(message=task.message, route=task.route) for task in tasks)
            await gather_all(map(self._parts.publisher.publish, submissions))
        return handle_of(self, planned.result)

    async def run(self, canvas: Canvas, *, timeout: float | None = None) -> Any:
        """Start a workflow and await its result. Raises what `start` and the handle's `result` raise."""
        handle = await self.start(canvas)
        return await handle.result(timeout)

    async def result(self, task_id: str, timeout: float | None = None) -> Any:
        """What a task returned, once it has ended; `timeout` in seconds. Needs no watcher: it asks the result backend.

        A task that stores no result (`ignore_result`) is waited for in vain.

        Raises:
            TaskFailed: it ended with an exception.
            TaskCancelled: it was revoked or terminated, or expired.
            TimeoutError: it has not ended in time.
            UnreadableBytes: what is stored is not what Celery stores.
        """
        async with asyncio.timeout(timeout):
            return outcome(await self._parts.results.wait(task_id))

    async def forget(self, task_id: str) -> None:
        """Delete a task's result, as Celery's `forget` does; what Petiole recorded stays for its time."""
        await self._parts.backend.forget(task_id)

    def handle(self, task_id: str) -> TaskHandle:
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

    def events(self) -> AsyncGenerator[CeleryEvent, None]:
        """Every event of workers and producers from now on; see `bridge.event_receiver.EventReceiver.events`."""
        return self._parts.events.events()

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


@asynccontextmanager
async def open_client(settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    """A client by settings. Redis need not be there yet: each call says whether it is."""
    async with open_parts(settings) as parts:
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


def _now_ms() -> int:
    return int(time.time() * 1000)


async def gather_all(calls: Iterable[Awaitable[None]]) -> None:
    """Await all of them, whatever becomes of the others; then raise the first error, if there was one."""
    for ended in await asyncio.gather(*calls, return_exceptions=True):
        if ended is not None:
            raise ended
