"""What may follow what: the statuses of a task as one table, obeyed by ``advance.lua``.

The rules of the table:

1. A task moves forward only: to a later attempt, or to a higher rank within its attempt.
2. Ended tasks stay ended.
3. Any open status may end at once, since news in between can be lost.
4. "Lost" is concluded from silence, and so is overruled by any news since the moment it was concluded from.
"""

import json
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Petiole's word for where a task is."""

    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    RECEIVED = "received"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How the scripts treat one status."""

    rank: int
    """Place within an attempt; the last one is the end."""
    stamps: str
    """Field of the record that holds when the status was reached; empty for none."""
    celery_state: str
    """Celery's word, as AsyncResult and Flower show it."""
    concluded: bool = False
    """Nobody says it of a task; the watcher concludes it from what nobody says."""


_END = 5

TABLE: dict[Status, Row] = {
    Status.SUBMITTED: Row(rank=0, stamps="submitted_at", celery_state="PENDING"),
    Status.SCHEDULED: Row(rank=1, stamps="", celery_state="PENDING"),
    Status.RECEIVED: Row(rank=2, stamps="received_at", celery_state="RECEIVED"),
    Status.RUNNING: Row(rank=3, stamps="started_at", celery_state="STARTED"),
    Status.RETRYING: Row(rank=4, stamps="", celery_state="RETRY"),
    Status.SUCCEEDED: Row(rank=_END, stamps="finished_at", celery_state="SUCCESS"),
    Status.FAILED: Row(rank=_END, stamps="finished_at", celery_state="FAILURE"),
    Status.CANCELLED: Row(rank=_END, stamps="finished_at", celery_state="REVOKED"),
    Status.EXPIRED: Row(rank=_END, stamps="finished_at", celery_state="REVOKED"),
    Status.REJECTED: Row(rank=_END, stamps="finished_at", celery_state="REJECTED"),
    Status.LOST: Row(rank=_END, stamps="finished_at", celery_state="PENDING", concluded=True),
}

ENDS = frozenset(status for status, row in TABLE.items() if row.rank == _END)

TABLE_FOR_SCRIPTS = json.dumps(
    {
        status: {"rank": row.rank, "ends": status in ENDS, "stamps": row.stamps, "concluded": row.concluded}
        for status, row in TABLE.items()
    }
)
"""The same table as JSON, handed to ``advance.lua``, so that it is written once."""
