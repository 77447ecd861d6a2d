"""A stock worker of each version runs what we send, and we know what becomes of it."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bridge import Cancelled, SubmitOptions, TaskClient, signature
from bridge.errors import TaskCancelled, TaskFailed
from bridge.protocol.state import Status
from tests.contract.beside import Beside
from tests.contract.versions.installation import DEADLINE, W1, events_of, hearing, kinds, running, to_its_end, until

pytestmark = pytest.mark.timeout(600)
RAN = ["submitted", "running"]
TYPED = {
    "datetime": datetime(2026, 1, 31, 12, 0, 0, 5, UTC),
    "date": date(2026, 1, 31),
    "time": time(12, 30),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "text": b"bytes",
    "bytes": b"\xff\x00",
}


async def test_the_environment_is_of_the_version_that_is_named(celery: Beside, version: str) -> None:
    assert (await celery.call("version")).startswith(f"{version}.")


async def test_a_task_returns_its_value(client: TaskClient) -> None:
    handle = await client.submit("golden.echo", [1, "é", None], {"a": [True, 1.5]})
    assert await handle.result(DEADLINE) == [[1, "é", None], {"a": [True, 1.5]}]
    assert kinds(await to_its_end(client, handle.task_id)) == [*RAN, "succeeded"]


@pytest.mark.parametrize("kind", TYPED)
async def test_typed_values_go_and_come_back(client: TaskClient, version: str, kind: str) -> None:
    handle = await client.submit("golden.echo", [TYPED[kind]])
    assert await handle.result(DEADLINE) == [[TYPED[kind]], {}]


async def test_a_task_waits_for_its_time(client: TaskClient) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.5)
    for options in ({"eta": due}, {"countdown": 0.5}):
        await (await client.submit("golden.echo", **options)).result(DEADLINE)
        assert datetime.now(UTC) > due


async def test_a_task_whose_deadline_has_passed_expires(client: TaskClient) -> None:
    handle = await client.submit("golden.echo", expires=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(TaskCancelled, match="expired"):
        await handle.result(DEADLINE)
    assert kinds(await to_its_end(client, handle.task_id)) == ["submitted", "expired"]


@pytest.mark.parametrize("priority", [0, 3, 6, 9])
async def test_tasks_of_every_priority_are_taken(client: TaskClient, priority: int) -> None:
    assert await (await client.submit("golden.echo", priority=priority)).result(DEADLINE) == [[], {}]


OPTIONS: dict[str, tuple[SubmitOptions, dict[str, Any]]] = {
    "time limits": ({"time_limit": 60, "soft_time_limit": 30.5}, {"timelimit": [60, 30.5]}),
    "headers": ({"headers": {"tenant": "acme", "trace": [1]}}, {"tenant": "acme", "trace": [1]}),
    "stamps": (
        {"stamps": {"team": "red", "shift": "2"}},
        {"stamped_headers": ["team", "shift"], "stamps": {"team": "red", "shift": "2"}},
    ),
    "shadow": ({"shadow": "shown"}, {"shadow": "shown"}),
    "ids": (
        {"task_id": "its-own", "root_id": "root", "parent_id": "parent", "group_id": "group", "group_index": 3},
        {"id": "its-own", "root_id": "root", "parent_id": "parent", "group": "group", "group_index": 3},
    ),
    "retries": ({"retries": 2}, {"retries": 2}),
    "correlation": ({"reply_to": "me", "correlation_id": "c1"}, {"reply_to": "me", "correlation_id": "c1"}),
    "what is shown": ({"argsrepr": "a", "kwargsrepr": "k"}, {"argsrepr": "a", "kwargsrepr": "k"}),
    "compression": ({"compression": "zlib"}, {"compression": "application/x-gzip"}),
    "no record": ({"record": False}, {"retries": 0}),
}
"""Options, and what a task then sees of its request."""


@pytest.mark.parametrize("name", OPTIONS)
async def test_an_option_reaches_the_worker(client: TaskClient, version: str, name: str) -> None:
    options, seen = OPTIONS[name]
    handle = await client.submit("golden.request", [*seen], **options)
    assert await handle.result(DEADLINE) == seen


async def test_a_result_that_is_not_wanted_is_not_stored(client: TaskClient, version: str) -> None:
    """Up to Celery 5.5 it is stored all the same that the task has started, where tasks are tracked."""
    handle = await client.submit("golden.echo", ignore_result=True)
    assert kinds(await to_its_end(client, handle.task_id)) == [*RAN, "succeeded"]
    stored = await client.stored_result(handle.task_id)
    assert (stored.state if stored else None) == ("STARTED" if version < "5.6" else None)


async def test_links_are_called_after_a_task_and_after_a_failure(client: TaskClient) -> None:
    echo, is_told = signature("golden.echo", ["told"]), signature("golden.is_told")
    await client.submit("golden.echo", [1], link=echo.set(task_id="told-result"))
    assert await client.result("told-result", DEADLINE) == [[[[1], {}], "told"], {}]
    failed = await client.submit("golden.fails", link_error=is_told.set(task_id="told-failure"))
    assert await client.result("told-failure", DEADLINE) == failed.task_id


@pytest.mark.parametrize(
    ("limits", "error"), [({"soft_time_limit": 0.3}, "SoftTimeLimitExceeded"), ({"time_limit": 1}, "TimeLimitExceeded")]
)
async def test_a_time_limit_ends_a_task(client: TaskClient, limits: Any, error: str) -> None:
    handle = await client.submit("golden.naps", [60], **limits)
    with pytest.raises(TaskFailed) as failed:
        await handle.result(DEADLINE)
    assert failed.value.type == error
    assert kinds(await to_its_end(client, handle.task_id)) == [*RAN, "failed"]


async def test_a_task_that_fails_tells_its_type_message_and_traceback(client: TaskClient) -> None:
    handle = await client.submit("golden.fails")
    with pytest.raises(TaskFailed) as failed:
        await handle.result(DEADLINE)
    told = failed.value
    assert (told.task_id, told.type, told.module) == (handle.task_id, "ValueError", "builtins")
    assert (told.message, told.arguments) == ("it's broken, 5", ["it's broken", 5])
    assert "celery_tasks.py" in (failed.value.traceback or "")


async def test_a_task_that_is_not_registered_fails(client: TaskClient) -> None:
    with pytest.raises(TaskFailed, match="NotRegistered"):
        await (await client.submit("golden.nowhere")).result(DEADLINE)


async def test_a_retry_with_a_countdown_is_a_second_attempt(client: TaskClient) -> None:
    handle = await client.submit("golden.retries_later")
    assert await handle.result(DEADLINE) == 1
    told = await to_its_end(client, handle.task_id)
    assert kinds(told) == [*RAN, "retrying", "running", "succeeded"]
    assert [update.attempt for update in told if update.kind == "running"] == [1, 2]


async def test_a_task_that_gives_up_fails_with_what_it_was_retried_for(client: TaskClient) -> None:
    with pytest.raises(TaskFailed, match="RuntimeError: never"):
        await (await client.submit("golden.gives_up")).result(DEADLINE)


async def test_a_header_stays_with_a_task_that_is_retried(client: TaskClient) -> None:
    with pytest.raises(TaskFailed, match="attempt 6"):
        await (await client.submit("golden.retries_as_asked", headers={"max_retries": 5})).result(DEADLINE)


async def test_states_of_a_tasks_own_are_progress(client: TaskClient) -> None:
    handle = await client.submit("golden.reports")
    assert await handle.result(DEADLINE) == "done"
    told = await to_its_end(client, handle.task_id)
    assert kinds(told) == [*RAN, "progress", "progress", "succeeded"]
    assert [update.progress for update in told if update.kind == "progress"] == [
        {"current": 1, "total": 2, "message": "half"},
        {"degrees": 180, "state": "BAKING"},
    ]


async def test_a_task_that_ignores_its_result_is_followed_to_its_end(client: TaskClient) -> None:
    handle = await client.submit("golden.forgets")
    assert kinds(await to_its_end(client, handle.task_id)) == [*RAN, "succeeded"]
    assert await client.stored_result(handle.task_id) is None


async def test_a_task_that_is_revoked_before_its_time_never_runs(client: TaskClient) -> None:
    handle = await client.submit("golden.echo", countdown=1.5)
    await until(lambda: client.control.scheduled(destination=[W1], timeout=DEADLINE), lambda replies: bool(replies[W1]))
    assert await handle.cancel() is Cancelled.REQUESTED
    with pytest.raises(TaskCancelled, match="revoked"):
        await handle.result(DEADLINE)
    assert "running" not in kinds(await to_its_end(client, handle.task_id))


async def test_a_task_that_runs_is_terminated(client: TaskClient) -> None:
    handle = await client.submit("golden.naps", [60])
    await running(client, handle)
    assert await handle.cancel(terminate=True) is Cancelled.REQUESTED
    # "revoked" when its process had begun and the worker did not know it yet.
    with pytest.raises(TaskCancelled, match=r"terminated|revoked"):
        await handle.result(DEADLINE)
    assert (await to_its_end(client, handle.task_id))[-1].status is Status.CANCELLED


async def test_the_events_of_a_task_are_read(client: TaskClient) -> None:
    async with hearing(client) as events:
        handle = await client.submit("golden.sends_progress")
        told = await events_of(handle.task_id, events, "task-succeeded")
    kinds_told = sorted(event.type.removeprefix("task-") for event in told)  # a task tells of its progress by itself
    assert kinds_told == ["progress", "received", "sent", "started", "succeeded"]
    assert {event.hostname for event in told[1:]} == {W1}
