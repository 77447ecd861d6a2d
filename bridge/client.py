"""The client: submit tasks of a Celery installation and know what becomes of them, in asyncio and without Celery."""

import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Unpack, overload

from bridge.cancelling import Cancelled, cancel
from bridge.errors import CallsBrokeOff, PetioleError, SomeRefused
from bridge.follow.follower import Follower, following, updates
from bridge.follow.hub import DEFAULT_BUFFER
from bridge.follow.workflow_follower import After, workflow_updates
from bridge.handle import ChainHandle, GroupHandle, TaskHandle, handle_of
from bridge.launcher import Begun, Launcher
from bridge.parts import Parts
from bridge.producer import Producer, Queued
from bridge.protocol.canvas import Canvas
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.catalog import Catalog
from bridge.protocol.events import CeleryEvent
from bridge.protocol.result import TaskMeta, outcome, read_meta
from bridge.protocol.signature import Chain, Chord, Group, Signature
from bridge.records.status import StatusUpdate, TaskRecord
from bridge.remote.control import TaskControl
from bridge.remote.queues import Backlog, WatcherStatus, WorkerStatus
from bridge.replays import Replays
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Replayed
from bridge.submit.call import Call, Calls, ManyOptions, SubmitOptions


class TaskClient:
    """An asyncio client of one Celery installation on Redis. Made by `connect` or `open_client`."""

    def __init__(self, *, settings: BridgeSettings, parts: Parts) -> None:
        self.settings = settings
        self.control = TaskControl(parts.mailbox)
        """Remote control of the workers."""
        self.feed = parts.feed
        """The updates of many tasks, in one order."""
        self.claims = parts.claims
        """Idempotency keys of what is more than one task."""
        self.tasks = parts.tasks
        """The tasks that are recorded, by pages."""
        self.results = parts.results
        """Results, as they are stored."""
        self.queues = parts.queue_control
        """Pausing, resuming and purging queues."""
        self._parts = parts
        self._producer = Producer(settings, parts)
        self._launcher = Launcher(settings, parts)
        self.replays = Replays(parts)
        """Tasks run again, as new ones."""

    def as_owner(self, owner: str) -> "TaskClient":
        """This client for one owner: what it submits is theirs, and tasks of others do not exist for it.

        ``""`` is for who owns everything. `control`, `events`, queues, workers and watchers are of all owners.
        """
        return TaskClient(settings=self.settings, parts=self._parts.of(owner))

    def __repr__(self) -> str:
        return f"<TaskClient {self._parts.publisher!r} {self._parts.hub!r}>"

    async def submit(
        self,
        task: str,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> TaskHandle:
        """Queue a task by its name; returns once it is queued *and* recorded. Options: see `SubmitOptions`.
        A submit that is cancelled before it has left for Redis queues nothing; one cancelled later may have queued it.

        Raises:
            InvalidMessage: something in it would harm a worker or could not be read back.
            DuplicateTask, IdempotencyKeyReused, QueuePaused, QueueSaturated, PublisherBusy: the task was not accepted,
                and nothing was queued.
            BrokerUnavailable: Redis did not answer. Unless it is `undone`, the task may have been queued: submit it
                again with the `task_id` that the error has, and it is accepted once (`DuplicateTask` says that it was).
                Without `record` it has none: whether the task was queued cannot be told.
        """
        return self._accepted(await self._producer.submit(Call(task, args, kwargs, options)))

    def _told(self, outcomes: Iterable[Any]) -> list[Any]:
        return [one if isinstance(one, PetioleError) else self._accepted(one) for one in outcomes]

    def _accepted(self, accepted: str | Replayed | Queued) -> TaskHandle:
        if isinstance(accepted, str):
            return TaskHandle(self, accepted)
        if isinstance(accepted, Replayed):
            return TaskHandle(self, accepted.task_id, replayed=True)
        task_id, eta, replayed, ignores_result = accepted
        return TaskHandle(self, task_id, eta=eta, replayed=replayed, ignores_result=ignores_result)

    @overload
    async def submit_many(
        self, calls: Calls, *, return_exceptions: Literal[False] = False, **options: Unpack[ManyOptions]
    ) -> list[TaskHandle]: ...
    @overload
    async def submit_many(
        self, calls: Calls, *, return_exceptions: bool, **options: Unpack[ManyOptions]
    ) -> list[TaskHandle | PetioleError]: ...
    async def submit_many(
        self, calls: Calls, *, return_exceptions: bool = False, **options: Unpack[ManyOptions]
    ) -> list[Any]:
        """Queue many tasks, a hundred or so in each round trip; a `TaskHandle` for each, in their order.

        A call is a `Call`, a tuple of its parts, or a signature. Beside the handles no more than two batches are in
        memory, so `calls` may be a generator, also an asynchronous one. What is refused does not keep the others back;
        once Redis has not answered, the rest is refused without asking it. With `return_exceptions` the error stands in
        the place of the handle, as `asyncio.gather` has it. For `batch`, `atomic` and `key` see `ManyOptions`.

        Raises:
            SomeRefused: not all were accepted; its `outcomes` say which.
            CallsBrokeOff: `calls` raised when some had been sent; its `outcomes` are theirs. While none had been, what
                `calls` raised comes as it is.
            InvalidMessage: `atomic`, and there are more than `bridge.submit.bulk.MOST_TOGETHER`.
            BrokerUnavailable: `atomic`, and Redis did not answer.
        """
        try:
            outcomes = await self._producer.submit_many(calls, **options)
        except CallsBrokeOff as error:
            error.outcomes = self._told(error.outcomes)
            raise
        told = self._told(outcomes)
        if not return_exceptions and any(isinstance(one, PetioleError) for one in outcomes):
            raise SomeRefused(told)
        return told

    @overload
    async def start(self, canvas: Signature, *, record: bool = True) -> TaskHandle: ...
    @overload
    async def start(self, canvas: Group, *, record: bool = True) -> GroupHandle: ...
    @overload
    async def start(self, canvas: Chord, *, record: bool = True) -> ChainHandle | GroupHandle: ...
    @overload
    async def start(self, canvas: Chain, *, record: bool = True) -> TaskHandle | GroupHandle: ...
    async def start(self, canvas: Canvas, *, record: bool = True) -> TaskHandle | GroupHandle:
        """Queue a workflow: a signature, chain, group or chord of `bridge.canvas`, nested at will.

        The handle is that of its result: of a chain the last task's, of a chord the body's, of a group the group's.
        Every task is known from now on, so a step whose turn comes later is ``submitted``. One that will never run,
        since what it waits for has failed, is cancelled. Without `record` nothing is written but Celery's own keys.

        Raises:
            InvalidMessage: something in it would harm a worker, or would wait for ever; the pointer leads there.
            DuplicateTask, QueuePaused, QueueSaturated, PublisherBusy, BrokerUnavailable: not all of it was queued, and
                nothing of it when one round trip has room for the whole (`submit_batch`).
        """
        return handle_of(self, await self._launcher.start(canvas, record=record))

    async def start_batch(self, canvas: Canvas, batch: str, *, key: str | None = None) -> Begun:
        """Queue a workflow as `start` does, all of it or nothing.

        All its tasks are of the `batch`. When an idempotency `key` came before with the same workflow, nothing is
        queued, and that one is told.

        Raises what `start` raises, and `IdempotencyKeyReused` when the `key` came before with something else.
        """
        return await self._launcher.start_batch(canvas, batch, key)

    async def run(self, canvas: Canvas, *, timeout: float | None = None, record: bool = True) -> Any:
        """Start a workflow and await its result. Raises what `start` and the handle's `result` raise."""
        handle = await self.start(canvas, record=record)
        return await handle.result(timeout)

    async def result(self, task_id: str, timeout: float | None = None) -> Any:
        """What a task returned, once it has ended; `timeout` in seconds. Needs no watcher: it asks the result backend.

        A task that stores no result (`ignore_result`) is waited for in vain: by its id nothing is known of that. The
        handle of a submit that has said so gives None.

        Raises:
            TaskFailed: it ended with an exception.
            TaskCancelled: it was revoked or terminated, or expired.
            TimeoutError: it has not ended in time.
            UnreadableBytes: what is stored is not what Celery stores.
            BrokerUnavailable: the time is over, and the result backend does not answer.
        """
        meta = self._of_owner(task_id) if self._parts.owner else self.results.wait(task_id)
        return outcome(await self.results.in_time(meta, timeout, of=f"The task {task_id!r}", task_ids=[task_id]))

    async def _of_owner(self, task_id: str) -> TaskMeta:
        await self._parts.store.check_owner(task_id)
        return await self.results.wait(task_id)

    async def forget(self, task_id: str) -> None:
        """Delete a task's result, as Celery's `forget` does; what Petiole recorded stays for its time."""
        await self._parts.store.check_owner(task_id)
        await self._parts.backend.forget(task_id)

    def handle(self, task_id: str) -> TaskHandle:
        """A handle of a task submitted elsewhere or earlier."""
        return TaskHandle(self, task_id)

    def handle_from_tuple(self, written: Any) -> TaskHandle | GroupHandle:
        """The handle of which `as_tuple` was kept, also that of a result of Celery's: a task's, a chain's or a group's.

        Raises:
            UnreadableBytes: it is something else.
        """
        return handle_of(self, ResultNode.of_tuple(written))

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
        await self._parts.store.check_owner(task_id)
        (value,) = await self._parts.backend.stored([task_id])
        return read_meta(value) if value else None

    def following(
        self, task_id: str, after: int = 0, *, limit: int = DEFAULT_BUFFER
    ) -> AbstractContextManager[Follower]:
        """A follower that a stream is made of: step by step, with a timeout. See `bridge.follow.follower`."""
        return following(self._parts.store, self._parts.hub, task_id, after, limit=limit)

    def follow(
        self, task_id: str, after: int = 0, *, limit: int = DEFAULT_BUFFER
    ) -> AsyncGenerator[StatusUpdate, None]:
        """The updates of a task after `after`, as they come, to its end. Raises as `record` does.

        When some of them are not kept any more (`history_limit`), one of the kind ``reset`` stands in their place.
        """
        return updates(self._parts.store, self._parts.hub, task_id, after, limit=limit)

    def follow_workflow(self, result: ResultNode, after: After = 0) -> AsyncGenerator[StatusUpdate, None]:
        """The updates of all tasks that lead to a result, as they come, each with its ``task_id``.

        `after` is a number for all tasks, or for each by its id. A later step is waited for, and the stream ends when
        all have ended or, since something failed, will never run. There is a ``reset`` for each task as in `follow`.

        Raises:
            TaskNotFound: nothing is known of any of them.
            SubscriberTooSlow: the reader was too far behind; follow again after what it has.
            BrokerUnavailable: Redis does not answer.
        """
        return workflow_updates(self._parts.store, self._parts.hub, result, after)

    def events(self) -> AsyncGenerator[CeleryEvent, None]:
        """Every event of workers and producers from now on; see `bridge.remote.event_receiver.EventReceiver.events`."""
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
            TaskNotFound: the task is not known; of one without a record `control.revoke` tells the workers.
            TaskEnded: it has ended already.
            InvalidMessage: `signal` is no name of a signal.
            BrokerUnavailable: Redis does not answer. When it is the result backend, a task that was taken out of its
                queue is cancelled all the same; a watcher stores that as its result, or another cancel does.
        """
        return await cancel(self._parts, task_id, terminate=terminate, signal=signal, reason=reason)

    async def backlog(self) -> Backlog:
        """Queues and how deep they are. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.backlog(_now_ms())

    async def workers(self) -> list[WorkerStatus]:
        """Workers by their heartbeats. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.workers(_now_ms())

    async def task_types(self) -> Catalog:
        """The task types that the workers have. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.task_types.read()

    async def watchers(self) -> list[WatcherStatus]:
        """Watchers by their signs of life. Raises `BrokerUnavailable` when Redis does not answer."""
        return await self._parts.queues.watchers()


def _now_ms() -> int:
    return int(time.time() * 1000)
