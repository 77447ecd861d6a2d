"""Workers of every pool tell the same stories: by events, by results, and by what we make of both."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bridge import TaskClient
from bridge.protocol.events import TASK_SENT
from tests.contract.versions.installation import (
    DEADLINE,
    events_of,
    hearing,
    kinds,
    loses_events,
    to_its_end,
    until,
)

pytestmark = pytest.mark.timeout(600)
ENDS = ("task-succeeded", "task-failed", "task-revoked", "task-rejected")
RAN = ("sent", "received", "started")


@dataclass(frozen=True, kw_only=True)
class Story:
    """How a task is sent, and what is told of it then: updates, events, and the state that the backend keeps."""

    options: Mapping[str, Any] = field(default_factory=dict)
    updates: Sequence[str] = ("running", "succeeded")
    events: Sequence[str] = (*RAN, "succeeded")
    state: str | None = "SUCCESS"


STORIES = {
    "echo": Story(options={"args": [1, "é"]}),
    "odd": Story(),
    "large": Story(),
    "fails": Story(updates=("running", "failed"), events=(*RAN, "failed"), state="FAILURE"),
    "nowhere": Story(updates=("failed",), events=("sent", "failed"), state="FAILURE"),
    "retries_later": Story(
        updates=("running", "retrying", "running", "succeeded"),
        events=(*RAN, "sent", "retried", "received", "started", "succeeded"),
    ),
    "reports": Story(updates=("running", "progress", "progress", "succeeded")),
    "sends_progress": Story(updates=("running", "progress", "succeeded"), events=(*RAN, "progress", "succeeded")),
    "forgets": Story(state=None),
    "rejects": Story(updates=("running", "rejected"), events=(*RAN, "rejected"), state="STARTED"),
    "naps": Story(options={"args": [0], "countdown": 0.3}),
    "request": Story(options={"expires": 1e-6}, updates=("expired",), events=("sent", "revoked"), state="REVOKED"),
}
"""By the names of tasks in tests/contract/celery_tasks.py."""
OTHERWISE = {
    # From this version on a task that rejects its message for good has failed, too.
    ("rejects", "5.7"): Story(updates=("running", "failed"), events=(*RAN, "failed"), state="FAILURE"),
}


async def test_the_worker_has_the_pool_that_is_meant(client: TaskClient, version: str, pool: str) -> None:
    stats = await client.control.stats(timeout=DEADLINE, destination=[f"{pool}@example"])
    found = stats[f"{pool}@example"]["pool"]
    assert f"celery.concurrency.{pool.replace('threads', 'thread')}:TaskPool" == found["implementation"]


@pytest.mark.parametrize("name", STORIES)
async def test_every_pool_tells_the_same_story(client: TaskClient, version: str, pool: str, name: str) -> None:
    story = OTHERWISE.get((name, version), STORIES[name])
    if loses_events(version, pool) and story.state is None:
        pytest.skip("nothing tells for certain that it has ended")
    async with hearing(client) as events:
        handle = await client.submit(f"golden.{name}", queue=pool, **story.options)
        updates = kinds(await to_its_end(client, handle.task_id))
        if not loses_events(version, pool):
            told = await events_of(handle.task_id, events, *ENDS)
            assert Counter(event.type for event in told) == Counter(f"task-{kind}" for kind in story.events)
            assert {event.hostname for event in told if event.type != TASK_SENT} == {f"{pool}@example"}
    assert apart(updates) == apart(["submitted", *story.updates])
    await until(lambda: stored_state(client, handle.task_id), lambda state: state == story.state)


async def stored_state(client: TaskClient, task_id: str) -> str | None:
    """What the backend says. A worker may tell the end of a task by an event before it stores it."""
    stored = await client.stored_result(task_id)
    return stored.state if stored else None


def apart(told: Sequence[str]) -> tuple[list[str], list[str]]:
    """Progress, and the rest: a task tells of its progress at once, a worker keeps what it has to tell for a moment.

    So progress may be the first sign that a task runs, and then "running" is not told any more.
    """
    progress = [kind for kind in told if kind == "progress"]
    apart_from = {"progress", "running"} if progress else set()
    return progress, [kind for kind in told if kind not in apart_from]
