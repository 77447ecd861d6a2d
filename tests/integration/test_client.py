"""The client, as a program that uses the library sees it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bridge import Cancelled, SubmitOptions, TaskClient, connect, open_client
from bridge.errors import InvalidMessage, TaskEnded, TaskNotFound
from bridge.protocol.clock import milliseconds
from bridge.protocol.envelope import open_json
from bridge.protocol.result import read_meta
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.watch.watcher import Watcher
from tests.celery_says import meta, received, started
from tests.clocks import WallClock
from tests.integration.telling import news
from tests.integration.watching import following, watcher


@pytest.fixture
async def client(redis: Redis, settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    async with open_client(settings) as opened:
        yield opened


async def test_a_task_is_submitted_by_its_name_and_followed_to_its_end(client: TaskClient, redis: Redis) -> None:
    async with following(redis, _watcher(client, redis)) as worker:
        task = await client.submit("tasks.add", [1, 2], {"c": 3})
        assert await task.status() is Status.SUBMITTED
        await worker.says(received(task.task_id), started(task.task_id))
        await worker.stores(task.task_id, "SUCCESS", 6)
        async with asyncio.timeout(10):
            kinds = [update.kind async for update in task.follow()]

    assert (kinds[0], kinds[-1]) == ("submitted", "succeeded")
    assert (await client.record(task.task_id)).final
    stored = await client.stored_result(task.task_id)
    assert stored is not None
    assert stored.result == 6


def _watcher(client: TaskClient, redis: Redis) -> Watcher:
    return watcher(redis, StatusStore(redis, client.settings), WallClock())


async def test_a_client_needs_an_address_alone(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url) as client:
        task = await client.submit("tasks.add", [1, 2])
        assert [update.kind for update in await client.history(task.task_id)] == ["submitted"]
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_task_is_submitted_as_its_options_say(client: TaskClient, redis: Redis) -> None:
    options = SubmitOptions(queue="mail", priority=9, task_id="a1", tags=["user:42"], countdown=3_600, expires=7_200)
    before = datetime.now(UTC).timestamp()

    task = await client.submit("tasks.add", **options)

    record = await client.record("a1")
    assert (record.queue, record.priority, record.tags, record.status) == ("mail", 9, ("user:42",), Status.SCHEDULED)
    assert record.eta is not None
    assert 3_599 < record.eta / 1_000 - before < 3_610
    assert task.eta is not None
    assert record.eta == milliseconds(task.eta)


async def test_a_submit_that_is_cancelled_before_it_has_left_queues_nothing(client: TaskClient, redis: Redis) -> None:
    submits = [asyncio.create_task(client.submit("tasks.add", task_id=name)) for name in "abc"]
    for submit in submits[:2]:  # when each has begun, and none has left
        asyncio.get_running_loop().call_soon(submit.cancel)
    await asyncio.wait(submits)
    assert [one.cancelled() for one in submits] == [True, True, False]
    assert await redis.execute("LLEN", "celery") == 1


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"countdown": 1, "eta": datetime.now(UTC)}, "/options/countdown"),
        ({"countdown": -1}, "/options/countdown"),
        ({"expires": float("inf")}, "/options/expires"),
        ({"queue": ""}, "/options/queue"),
        ({"tags": [""]}, "/options/tags/0"),
        ({"tags": ["x"] * 33}, "/options/tags"),
    ],
)
async def test_options_that_cannot_be_are_refused_by_their_pointer(
    client: TaskClient, options: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidMessage) as refused:
        await client.submit("tasks.add", **options)  # type: ignore[arg-type]  # what is tested
    assert refused.value.pointer == pointer


async def test_a_task_that_waits_is_cancelled_at_once_and_celerys_waiters_are_told(
    client: TaskClient, redis: Redis
) -> None:
    task = await client.submit("tasks.add", [1, 2])

    assert await task.cancel(reason="wrong file") is Cancelled.NEVER_RAN

    record = await client.record(task.task_id)
    assert (record.status, record.cancel_reason) == (Status.CANCELLED, "wrong file")
    assert await redis.execute("EXISTS", "celery") == 0
    stored = await redis.execute("GET", f"celery-task-meta-{task.task_id}")
    assert read_meta(stored).status is Status.CANCELLED


async def test_a_task_that_a_worker_has_is_revoked(client: TaskClient, redis: Redis) -> None:
    task = await client.submit("tasks.add", [1, 2])
    await redis.execute("RPOP", "celery")
    control = redis.listen("/0.celery.pidbox")
    async with asyncio.timeout(5):
        assert (await anext(control)).begins
        assert await task.cancel(terminate=True) is Cancelled.REQUESTED
        command = open_json((await anext(control)).data)
    await control.aclose()

    assert command["method"] == "revoke"
    assert command["arguments"] == {"task_id": task.task_id, "terminate": True, "signal": "SIGTERM"}
    assert (await client.record(task.task_id)).status is Status.SUBMITTED


async def test_a_task_of_another_producer_is_revoked_also_where_its_queue_has_no_name_of_ours(
    client: TaskClient, redis: Redis
) -> None:
    store = StatusStore(redis, client.settings)
    await store.advance([news(Status.RECEIVED, adopts=True, facts={"queue": "unacked"})])
    assert await client.handle("a1").cancel() is Cancelled.REQUESTED
    assert (await client.record("a1")).cancel_reason == ""


async def test_a_cancel_with_a_signal_that_is_none_leaves_no_trace(client: TaskClient) -> None:
    task = await client.submit("tasks.add")
    with pytest.raises(InvalidMessage, match="/signal"):
        await task.cancel(terminate=True, signal="SIGNONE")
    record = await client.record(task.task_id)
    assert (record.cancel_reason, record.status) == (None, Status.SUBMITTED)


async def test_a_task_that_has_ended_cannot_be_cancelled(client: TaskClient) -> None:
    task = await client.submit("tasks.add")
    await task.cancel()
    with pytest.raises(TaskEnded, match="cancelled"):
        await task.cancel()


async def test_a_task_that_nobody_submitted_is_not_found(client: TaskClient) -> None:
    nobody = client.handle("nobody")
    for call in (nobody.status(), nobody.cancel(), client.history("nobody")):
        with pytest.raises(TaskNotFound, match="nobody"):
            await call
    assert await client.stored_result("nobody") is None


async def test_a_result_is_read_whole_however_large(client: TaskClient, redis: Redis) -> None:
    await redis.execute("SET", "celery-task-meta-a1", meta("a1", "SUCCESS", "x" * 100_000))
    stored = await client.stored_result("a1")
    assert stored is not None
    assert len(stored.result) == 100_000
