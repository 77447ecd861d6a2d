"""Updates as JSON, of one task and of many; with the tasks as they are where updates are not kept any more."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import TaskResource, now_ms
from bridge import StatusUpdate, TaskClient
from bridge.follow.feed import FeedReset
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.follow.follower import Reset
from bridge.protocol.compact import compact
from bridge.protocol.state import Status

_UPDATE: dict[str, Any] = {
    "task_id": "c2a9…",
    "seq": 3,
    "status": "running",
    "attempt": 1,
    "time": "2026-01-31T12:00:00.000Z",
}


class Update(BaseModel):
    """One update of a task. What else it has depends on what happened, as in the stream."""

    model_config = ConfigDict(extra="allow")

    task_id: str
    seq: int
    status: Status
    attempt: int
    time: str
    progress: Any = None
    result: Any = None
    error: Any = None
    final: bool = Field(False, description="Whether the task has ended with it.")


class History(BaseModel):
    """The updates of a task that are kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"task_id": "c2a9…", "reset": False, "updates": [{**_UPDATE, "seq": 1}]}]}
    )

    task_id: str
    reset: bool = Field(description="Whether updates after `after` are missing here, since they are not kept any more.")
    task: TaskResource | None = Field(None, description="With `reset`: the whole task as it is.")
    updates: list[Update]


class FeedPage(BaseModel):
    """The updates of many tasks, in one order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cursor": "1769860800123-0", "reset": False, "updates": [_UPDATE]}]}
    )

    cursor: str = Field(description="What to ask with for what follows, as `after`.")
    reset: bool = Field(
        description="Whether there may be updates before `cursor` that are not told: no cursor came, or one of before "
        "what is kept, or of a feed that is gone."
    )
    tasks: list[TaskResource] | None = Field(
        None, description="With `reset`, of tasks that are named: these as they are. Others are listed at `/v1/tasks`."
    )
    updates: list[Update]


async def history_json(client: TaskClient, task_id: str, after: int) -> bytes:
    """A `History`: the steps that the stream of the task would begin with.

    Raises:
        TaskNotFound: the task is not known.
        BrokerUnavailable: Redis does not answer.
    """
    with client.following(task_id, after) as follower:
        steps = await follower.catch_up()
    reset = any(isinstance(step, Reset) for step in steps)
    members = {"task_id": compact(task_id).encode(), "reset": _boolean(reset)}
    if reset:
        (members["task"],) = await _resources(client, [task_id])
    return _object({**members, "updates": _array(step.json for step in steps if isinstance(step, StatusUpdate))})


async def feed_json(client: TaskClient, selection: Selection, cursor: str | None) -> bytes:
    """A `FeedPage`. Raises as `history_json` does, for the first of the named tasks that is not known."""
    with client.feed.following(selection, cursor) as follower:
        steps = await follower.catch_up()
    tasks = await _resources(client, selection.task_ids)
    reset = any(isinstance(step, FeedReset) for step in steps)
    members = {"cursor": compact(follower.cursor).encode(), "reset": _boolean(reset)}
    if reset and tasks:
        members["tasks"] = _array(tasks)
    updates = (step.update.json for step in steps if isinstance(step, FeedEntry))
    return _object({**members, "updates": _array(updates)})


async def _resources(client: TaskClient, task_ids: Collection[str]) -> list[bytes]:
    records, now = await asyncio.gather(*map(client.record, task_ids)), now_ms()
    return [TaskResource.of(record, now).model_dump_json().encode() for record in records]


def _boolean(value: bool) -> bytes:
    return b"true" if value else b"false"


def _array(values: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(values)


def _object(members: Mapping[str, bytes]) -> bytes:
    """Of parts that are JSON already, as updates are."""
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in members.items())
