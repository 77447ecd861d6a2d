"""Cancelling a task: it is taken out of its queue, or the workers are told to discard it."""

import time
from enum import StrEnum

from bridge.errors import InvalidMessage, TaskEnded
from bridge.parts import Parts
from bridge.protocol import commands
from bridge.protocol.news import News
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.records.status import TaskRecord


class Cancelled(StrEnum):
    """What a request to cancel achieved."""

    NEVER_RAN = "never-ran"
    """The task was taken out of its queue; it is cancelled."""
    REQUESTED = "requested"
    """A worker has it, or nothing is recorded of it. Workers were told; a task that runs goes on unless terminated."""


async def cancel(parts: Parts, task_id: str, *, terminate: bool, signal: str, reason: str) -> Cancelled:
    """Cancel a task of the owner that the parts are for. Raises what `TaskClient.cancel` raises."""
    record = await parts.store.record(task_id)
    if record.final:
        return await _told_again(parts, record)
    command = commands.revoke(task_id, terminate=terminate, signal=signal)
    await parts.store.note_cancel(task_id, reason, signal if terminate else "", _now_ms())
    if await _withdraw(parts, record, reason):
        await parts.withdrawn.tell([task_id])
        return Cancelled.NEVER_RAN
    await parts.mailbox.cast(command)
    return Cancelled.REQUESTED


async def _told_again(parts: Parts, record: TaskRecord) -> Cancelled:
    if not await parts.withdrawn.is_untold(record.task_id):
        raise TaskEnded(record.task_id, record.status)
    await parts.withdrawn.tell([record.task_id])
    return Cancelled.NEVER_RAN


async def _withdraw(parts: Parts, record: TaskRecord, reason: str) -> bool:
    if record.queue is None:
        return False
    try:
        route = Route(queue=record.queue, priority=record.priority)
    except InvalidMessage:  # adopted, from a queue that Petiole would not push to: nothing here to withdraw it from
        return False
    news = News(
        task_id=record.task_id,
        status=Status.CANCELLED,
        at_ms=_now_ms(),
        details={"error": {"type": "TaskRevokedError", "message": reason or "revoked"}},
        withdraw_from=parts.publisher.names.list_of(route.queue, route.priority),
        untold=True,
    )
    (outcome,) = await parts.store.advance([news])
    return outcome.seq > 0


def _now_ms() -> int:
    return int(time.time() * 1000)
