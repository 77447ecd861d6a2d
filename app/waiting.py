"""Waiting for a task on behalf of a request: for its next news, or for its end."""

import asyncio
from collections.abc import Callable

from app.deps import Edge
from bridge import TaskRecord
from bridge.follow.follower import Follower


async def news_within(seconds: float, record: TaskRecord, edge: Edge) -> TaskRecord:
    """The task after its next update, or as it is after so many seconds, `max_wait` at the most.

    Raises:
        TaskNotFound: its record has expired meanwhile.
        BrokerUnavailable: Redis does not answer.
    """
    return await _within(seconds, record, edge, lambda follower: follower.seq > record.seq)


async def end_within(seconds: float, record: TaskRecord, edge: Edge) -> TaskRecord:
    """The task at its end, or as it is after so many seconds; raises as `news_within` does."""
    return await _within(seconds, record, edge, lambda follower: follower.ended)


async def _within(seconds: float, record: TaskRecord, edge: Edge, is_enough: Callable[[Follower], bool]) -> TaskRecord:
    if record.final:
        return record
    now = asyncio.get_running_loop().time
    deadline = now() + min(seconds, edge.settings.max_wait)
    with edge.streams.one_more(), edge.client.following(record.task_id, record.seq) as follower:
        await follower.catch_up()
        while not (is_enough(follower) or edge.streams.closing) and (left := deadline - now()) > 0:
            await follower.next(left)
    return await edge.client.record(record.task_id)
