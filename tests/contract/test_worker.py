"""A stock worker runs what we send, as it would run what Celery sends."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bridge import Cancelled, StatusUpdate, TaskClient
from bridge.protocol.state import Status
from bridge.protocol.values import MAX_DEPTH
from tests.nesting import nested

DEADLINE = 30
EAST = timezone(timedelta(hours=5, minutes=30))


async def ended(client: TaskClient, task: str, args: Any = (), kwargs: Any = None, **options: Any) -> StatusUpdate:
    """The last update of a task that is submitted now."""
    handle = await client.submit(task, args, kwargs, **options)
    return await last_update(client, handle.task_id)


async def last_update(client: TaskClient, task_id: str) -> StatusUpdate:
    async with asyncio.timeout(DEADLINE):
        seqs = [update.seq async for update in client.follow(task_id)]
    assert seqs == list(range(1, len(seqs) + 1))
    last = (await client.record(task_id)).last
    assert last is not None
    return last


@pytest.mark.parametrize(
    "value",
    [
        None,
        "é 😀 \u200b\x00\x7f",
        10**4_000,
        1e300,
        nested(MAX_DEPTH - 1),
        {"__type__": "datetime"},
        {"a/b~c": [True, {"": None}]},
        "x" * 100_000,
    ],
    ids=["null", "letters", "a large number", "a float", "deep", "half a typed value", "odd keys", "long"],
)
async def test_a_worker_gets_every_value_as_it_was_given(client: TaskClient, value: object) -> None:
    last = await ended(client, "golden.echo", [value], {"again": value})

    assert last.status is Status.SUCCEEDED
    stored = await client.stored_result(last.task_id)
    assert stored is not None
    assert stored.result == [[value], {"again": value}]


@pytest.mark.parametrize("priority", [0, 3, 9])
async def test_a_worker_takes_tasks_of_every_priority(client: TaskClient, priority: int) -> None:
    assert (await ended(client, "golden.echo", priority=priority)).status is Status.SUCCEEDED


@pytest.mark.parametrize("zone", [UTC, EAST])
async def test_a_worker_waits_for_the_time_of_a_task(client: TaskClient, zone: timezone) -> None:
    eta = datetime.now(zone) + timedelta(seconds=1)
    last = await ended(client, "golden.echo", eta=eta)
    assert last.status is Status.SUCCEEDED
    assert datetime.now(UTC) > eta


async def test_a_task_whose_deadline_has_passed_expires(client: TaskClient) -> None:
    last = await ended(client, "golden.echo", expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert last.status is Status.EXPIRED


async def test_a_task_that_forgets_its_result_is_not_made_to_keep_it(client: TaskClient) -> None:
    last = await ended(client, "golden.forgets")
    assert (last.status, last.result) == (Status.SUCCEEDED, None)
    assert await client.stored_result(last.task_id) is None


async def test_a_time_limit_ends_a_task(client: TaskClient) -> None:
    last = await ended(client, "golden.naps", [60], soft_time_limit=0.5)
    assert last.status is Status.FAILED
    assert last.error is not None
    assert last.error["type"] == "SoftTimeLimitExceeded"


async def test_a_task_that_runs_is_terminated(client: TaskClient) -> None:
    handle = await client.submit("golden.naps", [60])
    async with asyncio.timeout(DEADLINE), aclosing(client.follow(handle.task_id)) as stream:
        async for update in stream:
            if update.status is Status.RUNNING:
                break
    assert await handle.cancel(terminate=True) is Cancelled.REQUESTED
    assert (await last_update(client, handle.task_id)).status is Status.CANCELLED


async def test_a_task_that_is_retried_tells_of_every_attempt(client: TaskClient) -> None:
    last = await ended(client, "golden.retries_later")
    updates = await client.history(last.task_id)
    assert [
        (update.kind, update.attempt) for update in updates if update.kind in ("retrying", "running", "succeeded")
    ] == [
        *(("running", 1), ("retrying", 1)),
        *(("running", 2), ("succeeded", 2)),
    ]
