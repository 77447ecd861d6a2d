"""Handles: one task, or a group of them, to ask and to await."""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.protocol.canvas_freeze import ResultNode
from bridge.protocol.state import Status
from bridge.status import StatusUpdate

if TYPE_CHECKING:
    from bridge.client import TaskClient


class Cancelled(StrEnum):
    """What a request to cancel achieved."""

    NEVER_RAN = "never-ran"
    """The task was taken out of its queue; it is cancelled."""
    REQUESTED = "requested"
    """A worker has it. Workers were told; a task that runs goes on unless it is terminated."""


class TaskHandle:
    """One task. `parent` is what ran before it in a chain.

    Every method raises `TaskNotFound` when nothing is known of the task, and `BrokerUnavailable` without Redis. A later
    step of a workflow is known from its first news on.
    """

    __slots__ = ("_client", "parent", "task_id")

    def __init__(self, client: "TaskClient", task_id: str, *, parent: "TaskHandle | GroupHandle | None" = None) -> None:
        self._client = client
        self.task_id = task_id
        self.parent = parent

    def __repr__(self) -> str:
        return f"<TaskHandle {self.task_id}>"

    async def status(self) -> Status:
        """Where the task is now."""
        return (await self._client.record(self.task_id)).status

    async def result(self, timeout: float | None = None) -> Any:
        """What it returned, once it has ended; see `TaskClient.result`."""
        return await self._client.result(self.task_id, timeout)

    def follow(self, after: int = 0) -> AsyncGenerator[StatusUpdate, None]:
        """Its updates after `after`, as they come, to its end."""
        return self._client.follow(self.task_id, after)

    async def cancel(self, *, terminate: bool = False, signal: str = "SIGTERM", reason: str = "") -> Cancelled:
        """Cancel it; see `TaskClient.cancel`."""
        return await self._client.cancel(self.task_id, terminate=terminate, signal=signal, reason=reason)

    async def forget(self) -> None:
        """Delete its result; see `TaskClient.forget`."""
        await self._client.forget(self.task_id)


class GroupHandle:
    """Tasks that run at the same time: `children` in their order, `parent` what ran before them."""

    __slots__ = ("children", "group_id", "parent")

    def __init__(
        self,
        group_id: str,
        children: "tuple[TaskHandle | GroupHandle, ...]",
        parent: "TaskHandle | GroupHandle | None" = None,
    ) -> None:
        self.group_id = group_id
        self.children = children
        self.parent = parent

    def __repr__(self) -> str:
        return f"<GroupHandle {self.group_id} children={len(self.children)}>"

    async def result(self, timeout: float | None = None) -> list[Any]:
        """What all of them returned, in their order; `timeout` in seconds.

        Raises:
            TaskFailed, TaskCancelled: of the first child that did not succeed.
            TimeoutError: not all have ended in time.
        """
        async with asyncio.timeout(timeout):
            return list(await asyncio.gather(*(child.result() for child in self.children)))


def handle_of(client: "TaskClient", node: ResultNode) -> TaskHandle | GroupHandle:
    """The handle of a workflow's result, with all that comes before it and within it."""
    parent = handle_of(client, node.parent) if node.parent else None
    if node.children is None:
        return TaskHandle(client, node.id, parent=parent)
    return GroupHandle(node.id, tuple(handle_of(client, child) for child in node.children), parent)
