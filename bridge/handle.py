"""Handles: one task, a chain or a group of them, to ask and to await."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.awaiting import all_of
from bridge.cancelling import Cancelled
from bridge.errors import TaskEnded, TaskNotFound
from bridge.follow.workflow_follower import After
from bridge.protocol.canvas.results import ResultNode, Workflow
from bridge.protocol.state import Status
from bridge.records.status import StatusUpdate, TaskRecord
from bridge.results.workflow_outcome import grace_within, outcome_of

if TYPE_CHECKING:
    from bridge.client import TaskClient

AT_ONCE = 500
"""Tasks of a workflow that are asked about, or cancelled, at the same time."""


class TaskHandle:
    """One task.

    Every method raises `TaskNotFound` when nothing is known of the task, and `BrokerUnavailable` without Redis.
    """

    __slots__ = ("_client", "eta", "ignores_result", "replayed", "task_id")

    def __init__(
        self,
        client: "TaskClient",
        task_id: str,
        *,
        eta: datetime | None = None,
        replayed: bool = False,
        ignores_result: bool = False,
    ) -> None:
        self._client = client
        self.task_id = task_id
        self.eta = eta
        """When it is to run, if this `submit` put that off."""
        self.replayed = replayed
        """Whether this submit queued nothing, since one with the same idempotency key had queued the task before."""
        self.ignores_result = ignores_result
        """Whether it was submitted with `ignore_result`. Of a task that has that by itself nothing is known here."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task_id}>"

    @property
    def parent(self) -> "TaskHandle | GroupHandle | None":
        """What ran before it in a chain."""
        return None

    async def children(self) -> "tuple[TaskHandle | GroupHandle, ...]":
        """What the task itself has started, the next step of a chain among it, in that order; none before it has ended.

        Raises:
            UnreadableBytes: what is stored is not what Celery stores.
        """
        meta = await self._client.stored_result(self.task_id)
        started = meta.children if meta else None
        return tuple(handle_of(self._client, ResultNode.of_tuple(child)) for child in started or ())

    def as_tuple(self) -> list[Any]:
        """What to keep of it over a restart, for `TaskClient.handle_from_tuple`: as Celery's ``as_tuple`` has it.

        It is plain lists, texts and None. What ran before is within it, step in step, so Python's `json` writes it for
        chains of up to some 400 steps.
        """
        return ResultNode(id=self.task_id).as_tuple()

    async def status(self) -> Status:
        """Where the task is now."""
        return (await self._client.record(self.task_id)).status

    async def result(self, timeout: float | None = None) -> Any:
        """What it returned, once it has ended; None at once when it `ignores_result`. See `TaskClient.result`."""
        return None if self.ignores_result else await self._client.result(self.task_id, timeout)

    def follow(self, after: int = 0) -> AsyncGenerator[StatusUpdate, None]:
        """Its updates after `after`, as they come, to its end."""
        return self._client.follow(self.task_id, after)

    async def cancel(self, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = "") -> Cancelled:
        """Cancel it; see `TaskClient.cancel`."""
        return await self._client.cancel(self.task_id, terminate=terminate, signal=signal, reason=reason)

    async def forget(self) -> None:
        """Delete its result; see `TaskClient.forget`."""
        await self._client.forget(self.task_id)


class ChainHandle(TaskHandle):
    """Tasks one after another, of which the last one stands for all: `task_id`, `status` and `children` are its own."""

    __slots__ = ("_node",)

    def __init__(self, client: "TaskClient", node: ResultNode) -> None:
        super().__init__(client, node.id, ignores_result=node.ignores_result)
        self._node = node

    @property
    def parent(self) -> "TaskHandle | GroupHandle | None":
        """What ran before the last step: again a chain, if that is not the first."""
        return _parent(self._client, self._node)

    @property
    def steps(self) -> "tuple[TaskHandle | GroupHandle, ...]":
        """Each step by itself, in order; the header of a chord is a step before its body."""
        nodes = [self._node, *self._node.ancestors()][::-1]
        return tuple(_alone(self._client, node) for node in nodes)

    def as_tuple(self) -> list[Any]:
        """See `TaskHandle.as_tuple`."""
        return self._node.as_tuple()

    async def result(self, timeout: float | None = None) -> Any:
        """What the last step returned; None at once when that `ignores_result`.

        Raises:
            TaskFailed, TaskCancelled: of the first step that did not succeed, since what follows it never runs. Of a
                chord's body what a worker tells it of the header's failure, if that comes within a second.
            TimeoutError, BrokerUnavailable, UnreadableBytes: it has not ended in time; see `TaskClient.result`.
        """
        return await _result(self._client, self._node, timeout)

    def follow(self, after: After = 0) -> AsyncGenerator[StatusUpdate, None]:
        """The updates of all steps on one stream; see `TaskClient.follow_workflow`."""
        return self._client.follow_workflow(self._node, after)

    async def cancel(self, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = "") -> Cancelled:
        """Cancel all steps that have not ended. Of those of which nothing is recorded the workers are told.

        Raises:
            TaskEnded: all have ended.
        """
        told = await _cancel(self._client, self._node, terminate=terminate, signal=signal, reason=reason)
        if not told:
            try:
                return await super().cancel(terminate=terminate, signal=signal, reason=reason)
            except TaskNotFound:  # nothing is recorded of what has not ended
                return Cancelled.REQUESTED
        return Cancelled.REQUESTED if Cancelled.REQUESTED in told.values() else Cancelled.NEVER_RAN

    async def forget(self) -> None:
        """Delete the results of all steps."""
        await _forget(self._client, self._node)


class GroupHandle:
    """Tasks that run at the same time."""

    __slots__ = ("_client", "_node")

    def __init__(self, client: "TaskClient", node: ResultNode) -> None:
        self._client = client
        self._node = node

    def __repr__(self) -> str:
        return f"<GroupHandle {self.group_id} children={len(self._node.children or ())}>"

    @property
    def group_id(self) -> str:
        """What its tasks have as their group, if they were started by us."""
        return self._node.id

    @property
    def children(self) -> "tuple[TaskHandle | GroupHandle, ...]":
        """The members, in their order."""
        return tuple(handle_of(self._client, child) for child in self._node.children or ())

    @property
    def parent(self) -> "TaskHandle | GroupHandle | None":
        """What ran before it in a chain."""
        return _parent(self._client, self._node)

    def as_tuple(self) -> list[Any]:
        """See `TaskHandle.as_tuple`."""
        return self._node.as_tuple()

    async def result(self, timeout: float | None = None) -> list[Any]:
        """What all of them returned, in their order; None for one that ignores its result. `timeout` in seconds.

        Raises:
            TaskFailed, TaskCancelled: of the first that did not succeed, here or before the group.
            TimeoutError, BrokerUnavailable, UnreadableBytes: not all have ended in time; see `TaskClient.result`.
        """
        return list(await _result(self._client, self._node, timeout))

    def follow(self, after: After = 0) -> AsyncGenerator[StatusUpdate, None]:
        """The updates of all members, and of what ran before them, on one stream; see `TaskClient.follow_workflow`."""
        return self._client.follow_workflow(self._node, after)

    async def counts(self) -> Counter[Status]:
        """How many tasks there are of each status, what ran before the group counted too.

        Those of which nothing is recorded are left out.
        """
        counted: Counter[Status] = Counter()
        for task_ids in _pages(Workflow(self._node).task_ids):
            found = await all_of(_record(self._client, task_id) for task_id in task_ids)
            counted.update(record.status for record in found if record)
        return counted

    async def cancel(
        self, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = ""
    ) -> dict[str, Cancelled]:
        """Cancel all tasks that have not ended, also before the group: what it achieved, by the task's id.

        Of those of which nothing is recorded the workers are told, and nothing stands there.

        Raises:
            InvalidMessage: `signal` is no name of a signal.
            BrokerUnavailable: Redis does not answer.
        """
        return await _cancel(self._client, self._node, terminate=terminate, signal=signal, reason=reason)

    async def forget(self) -> None:
        """Delete the results of all tasks, also before the group."""
        await _forget(self._client, self._node)


def handle_of(client: "TaskClient", node: ResultNode) -> TaskHandle | GroupHandle:
    """The handle of a workflow's result, with all that comes before it and within it."""
    if node.children is not None:
        return GroupHandle(client, node)
    if node.parent:
        return ChainHandle(client, node)
    return TaskHandle(client, node.id, ignores_result=node.ignores_result)


def _parent(client: "TaskClient", node: ResultNode) -> TaskHandle | GroupHandle | None:
    return handle_of(client, node.parent) if node.parent else None


def _alone(client: "TaskClient", node: ResultNode) -> TaskHandle | GroupHandle:
    """The handle without what ran before."""
    return handle_of(client, replace(node, parent=None))


async def _result(client: "TaskClient", node: ResultNode, timeout: float | None) -> Any:
    value = outcome_of(node, client.result, grace_within(timeout))
    task_ids = Workflow(node).task_ids
    return await client.results.in_time(value, timeout, of=f"The workflow of {node.id!r}", task_ids=task_ids)


def _pages(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(task_ids), AT_ONCE):
        yield task_ids[at : at + AT_ONCE]


async def _record(client: "TaskClient", task_id: str) -> TaskRecord | None:
    try:
        return await client.record(task_id)
    except TaskNotFound:
        return None


async def _cancel(
    client: "TaskClient", node: ResultNode, *, terminate: bool, signal: str, reason: str
) -> dict[str, Cancelled]:
    """Later steps first, which workers are told to discard when they come: so that none starts meanwhile.

    What became of those is not told, since nobody knows whether their turn would have come.
    """

    async def cancel_one(task_id: str) -> tuple[str, Cancelled] | None:
        try:
            return task_id, await client.cancel(task_id, terminate=terminate, signal=signal, reason=reason)
        except (TaskEnded, TaskNotFound):
            return None

    told: dict[str, Cancelled] = {}
    workflow = Workflow(node)
    later = workflow.later_ids
    for task_ids in _pages(workflow.task_ids):
        records = zip(task_ids, await all_of(_record(client, task_id) for task_id in task_ids), strict=True)
        statuses = {task_id: record and record.status for task_id, record in records}
        if unknown := [task_id for task_id, status in statuses.items() if status is None]:
            await client.control.revoke(unknown, terminate=terminate, signal=signal)
        planned = {task_id for task_id in later & statuses.keys() if statuses[task_id] is Status.SUBMITTED}
        await all_of(map(cancel_one, planned))
        told.update(filter(None, await all_of(cancel_one(one) for one in statuses if one not in planned)))
    return told


async def _forget(client: "TaskClient", node: ResultNode) -> None:
    for task_ids in _pages(Workflow(node).task_ids):
        await all_of(map(client.forget, task_ids))
