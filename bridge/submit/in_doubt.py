"""Submits whose answer was lost: the task may have been queued."""

from bridge.batching import anew
from bridge.errors import BrokerUnavailable
from bridge.submit.entry import Entry


def in_doubt(error: BrokerUnavailable, entry: Entry) -> BrokerUnavailable:
    """What one task of those that were sent is told: that it may have been queued, and how to have it queued once."""
    if error.undone:
        return anew(error)
    task_id = entry.task_id if entry.kind.is_recorded else None
    once = (
        f"submit it again with task_id={task_id!r}: it is accepted once"
        if task_id
        else "whether it was cannot be told, since it is not recorded"
    )
    told = BrokerUnavailable(f"{error.reason}. The task may have been queued; {once}", task_id=task_id)
    told.__cause__ = error.__cause__ or error
    return told
