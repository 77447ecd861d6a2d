"""Celery's own client of each version reads what became of our tasks, and we follow and read what it sent."""

import contextlib
import json
from typing import Any

import pytest

from bridge import TaskClient
from bridge.errors import TaskCancelled, TaskFailed
from bridge.protocol.events import CeleryEvent
from bridge.redis import Redis
from tests.contract.beside import Beside
from tests.contract.versions.installation import DEADLINE, Installation, events_of, hearing, kinds, to_its_end

pytestmark = pytest.mark.timeout(600)


async def test_celerys_async_result_reads_our_task(client: TaskClient, celery: Beside) -> None:
    handle = await client.submit("golden.echo", [1], {"a": None})
    read = await celery.call("task_result", task_id=handle.task_id)
    assert (read["state"], read["result"], read["raised"]) == ("SUCCESS", [[1], {"a": None}], None)
    assert read["date_done"]


async def test_celerys_async_result_reads_the_exception_of_our_task(client: TaskClient, celery: Beside) -> None:
    handle = await client.submit("golden.fails")
    read = await celery.call("task_result", task_id=handle.task_id)
    assert (read["state"], read["raised"][0]) == ("FAILURE", "ValueError")
    assert "celery_tasks.py" in read["traceback"]


async def test_celerys_async_result_reads_that_we_cancelled_a_task(client: TaskClient, celery: Beside) -> None:
    """It waited in its queue, so the result is what we wrote, not the worker."""
    handle = await client.submit("golden.echo", queue="nobody")
    await handle.cancel()
    read = await celery.call("task_result", task_id=handle.task_id)
    assert (read["state"], read["raised"]) == ("REVOKED", ["TaskRevokedError", "revoked"])


async def test_whether_a_result_is_kept_is_left_to_a_task_that_is_known_by_its_name_alone(
    client: TaskClient, celery: Beside, installation: Installation, version: str
) -> None:
    """What tests/contract/test_send_task*.py pass over, where the installed Celery is older than 5.7."""
    await celery.call("send", name="elsewhere.work", queue="elsewhere")
    handle = await client.submit("elsewhere.work", queue="elsewhere")
    async with Redis.open(installation.url, client.settings) as redis:
        ours, celerys = [json.loads(text)["headers"] for text in await redis.execute("LRANGE", "elsewhere", 0, -1)]
        await redis.execute("DEL", "elsewhere")
    assert (ours["id"], ours["ignore_result"]) == (handle.task_id, None)
    assert celerys["ignore_result"] is (None if version >= "5.7" else False)
    own = {"id", "root_id", "origin", "ignore_result"}
    assert {name: ours[name] for name in ours.keys() - own} == {name: celerys[name] for name in celerys.keys() - own}


@pytest.mark.parametrize(
    ("task", "options", "told"),
    [
        ("golden.echo", {"args": [1], "kwargs": {"a": "é"}}, ["running", "succeeded"]),
        ("golden.echo", {"eta": 0.5}, ["running", "succeeded"]),
        ("golden.echo", {"priority": 9, "countdown": 0.2}, ["running", "succeeded"]),
        ("golden.echo", {"expires": 0.001, "countdown": 0.2}, ["expired"]),
        ("golden.fails", {}, ["running", "failed"]),
        ("golden.retries_later", {}, ["running", "retrying", "running", "succeeded"]),
        ("golden.echo", {"serializer": "json", "compression": "zlib"}, ["running", "succeeded"]),
    ],
    ids=["arguments", "eta", "priority", "expires", "fails", "retries", "compressed"],
)
async def test_a_task_that_celery_sent_is_followed_to_its_end(
    client: TaskClient, celery: Beside, task: str, options: dict[str, Any], told: list[str]
) -> None:
    task_id = await celery.call("send", name=task, **options)
    assert await ended(client, task_id) == told


async def ended(client: TaskClient, task_id: str) -> list[str]:
    """The updates of somebody else's task, which is known from its first news on: that may be that it runs."""
    with contextlib.suppress(TaskFailed, TaskCancelled):
        await client.result(task_id, DEADLINE)
    return [kind for kind in kinds(await to_its_end(client, task_id)) if kind != "submitted"]


async def test_the_result_of_a_task_that_celery_sent_is_read(client: TaskClient, celery: Beside) -> None:
    task_id = await celery.call("send", name="golden.echo", args=["é", [None, 1.5]])
    assert await client.result(task_id, DEADLINE) == [["é", [None, 1.5]], {}]
    stored = await client.stored_result(task_id)
    assert stored is not None
    assert (stored.task_id, stored.state, stored.traceback) == (task_id, "SUCCESS", None)


async def test_celerys_memory_of_events_holds_the_same_of_our_task_as_of_its_own(
    client: TaskClient, celery: Beside
) -> None:
    """That memory is what Flower shows."""
    async with hearing(client) as events:
        ours = (await client.submit("golden.echo", [1], {"a": 2})).task_id
        told = await events_of(ours, events, "task-succeeded")
        theirs = await celery.call("send", name="golden.echo", args=[1], kwargs={"a": 2})
        told += await events_of(theirs, events, "task-succeeded")
    remembered = await celery.call("state", events=[_as_sent(event) for event in told])
    assert _lasting(remembered[ours]) == _lasting(remembered[theirs])


def _as_sent(event: CeleryEvent) -> dict[str, Any]:
    known = {"type": event.type, "uuid": event.task_id, "hostname": event.hostname, "timestamp": event.timestamp}
    return {**event.details, **known, "pid": event.pid, "clock": event.clock, "utcoffset": event.utc_offset}


def _lasting(task: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from task to task; that it is there, counts."""
    differs = {"uuid", "timestamp", "sent", "received", "started", "succeeded", "runtime", "root", "root_id", "client"}
    return {name: value is not None if name in differs else value for name, value in task.items()}
