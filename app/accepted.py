"""A task as it is at the moment it is accepted, told without asking Redis: that could fail although it was."""

from math import ceil
from typing import Any

from app.schemas import TaskRequest
from bridge import TaskHandle, TaskRecord
from bridge.protocol.clock import milliseconds
from bridge.protocol.state import Status
from bridge.settings import BridgeSettings


def accepted(handle: TaskHandle, request: TaskRequest, settings: BridgeSettings, now_ms: int) -> TaskRecord:
    """A task that was accepted now: what its record has, to the millisecond or so that the way there takes.

    Of one that was accepted before, by the same idempotency key, no time is invented.
    """
    fields: dict[str, Any] = {
        "task_id": handle.task_id,
        "task": request.task,
        "queue": request.options.queue or settings.default_queue,
        "priority": request.options.priority,
        "tags": tuple(request.options.tags),
    }
    if handle.replayed:
        return TaskRecord(status=Status.SUBMITTED, celery_state="PENDING", attempt=1, seq=1, **fields)
    eta_ms = milliseconds(handle.eta) if handle.eta else None
    return _at_first(now_ms, eta_ms, settings, now_ms, fields)


def as_accepted(record: TaskRecord, settings: BridgeSettings, now_ms: int) -> TaskRecord:
    """A task as its submit was answered, whatever became of it since: for who may submit, but not read."""
    fields = {
        "task_id": record.task_id,
        "task": record.task,
        "queue": record.queue,
        "priority": record.priority,
        "tags": record.tags,
        "batch_id": record.batch_id,
        "replay_of": record.replay_of,
    }
    eta_ms = record.eta if record.attempt == 1 else None  # later it is when it is tried again
    return _at_first(record.submitted_at or now_ms, eta_ms, settings, now_ms, fields)


def _at_first(
    submitted_ms: int, eta_ms: int | None, settings: BridgeSettings, now_ms: int, fields: dict[str, Any]
) -> TaskRecord:
    """As `accept.lua` writes it, which has one that is to be held scheduled at once."""
    delay_ms = 0 if eta_ms is None else eta_ms - submitted_ms
    is_held = delay_ms > settings.hold_after * 1000
    life_ms = (settings.open_ttl + (ceil(delay_ms / 1000) if is_held else 0)) * 1000
    return TaskRecord(
        status=Status.SCHEDULED if is_held else Status.SUBMITTED,
        celery_state="PENDING",
        attempt=1,
        seq=2 if is_held else 1,
        submitted_at=submitted_ms,
        eta=eta_ms,
        life_left_ms=max(0, submitted_ms + life_ms - now_ms),
        **fields,
    )
