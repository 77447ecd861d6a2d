"""Tasks that are cancelled while the result backend is away: whoever awaits their results is told in the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.cli.processes.child import Child
from bridge import TaskClient, connect
from bridge.cancelling import Cancelled
from bridge.errors import BrokerUnavailable, TaskCancelled, TaskEnded
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.results.backend import ResultBackend
from bridge.watch.watcher import Installation, Watcher
from tests.celery_says import meta
from tests.clocks import Clock
from tests.integration.submissions import DEADLINE

pytestmark = pytest.mark.usefixtures("own_server")
UNTOLD = "petiole:untold"


@pytest.fixture
async def apart(redis: Redis, shared_url: str, own_url: str) -> AsyncIterator[TaskClient]:
    """A client whose results are on a server of their own, that can be stopped."""
    async with connect(shared_url, backend=own_url) as client:
        yield client


async def back(server: Child) -> None:
    await server.start()
    await server.ready()


async def sweep(redis: Redis, store: StatusStore, backend: ResultBackend) -> None:
    """As a watcher does it."""
    await Watcher(Installation.of(redis, store, backend, "watcher-1"), lambda: Clock().ms).sweep()


async def test_a_cancel_that_the_backend_does_not_hear_says_so_and_a_watcher_tells_it_later(
    apart: TaskClient, redis: Redis, store: StatusStore, own_server: Child
) -> None:
    tasks = [await apart.submit("tasks.add") for _ in range(3)]
    awaiting = asyncio.create_task(tasks[0].result(DEADLINE))
    await own_server.stop()
    for task in tasks:
        with pytest.raises(BrokerUnavailable, match="is cancelled all the same"):
            await task.cancel()
        assert await task.status() is Status.CANCELLED
    with pytest.raises(BrokerUnavailable):
        await sweep(redis, store, apart._parts.backend)

    await back(own_server)
    await apart._parts.backend._redis.execute("SET", f"celery-task-meta-{tasks[1].task_id}", meta("x", "SUCCESS", 5))
    await sweep(redis, store, apart._parts.backend)

    with pytest.raises(TaskCancelled):
        await awaiting
    assert await tasks[1].result(DEADLINE) == 5
    with pytest.raises(TaskCancelled):
        await tasks[2].result(DEADLINE)
    assert await redis.execute("EXISTS", UNTOLD) == 0


async def test_a_second_cancel_tells_what_the_first_could_not(apart: TaskClient, own_server: Child) -> None:
    task = await apart.submit("tasks.add")
    await own_server.stop()
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await task.cancel()
    await back(own_server)

    assert await task.cancel() is Cancelled.NEVER_RAN
    with pytest.raises(TaskCancelled):
        await task.result(DEADLINE)
    with pytest.raises(TaskEnded):
        await task.cancel()


async def test_what_was_purged_is_told_by_a_watcher_too(
    apart: TaskClient, redis: Redis, store: StatusStore, own_server: Child
) -> None:
    tasks = [await apart.submit("tasks.add") for _ in range(40)]
    await own_server.stop()
    with pytest.raises(BrokerUnavailable, match="is cancelled all the same"):
        await apart.queues.purge("celery")
    await back(own_server)
    await redis.execute("ZADD", UNTOLD, 1, b"\xff")

    await sweep(redis, store, apart._parts.backend)

    for task in tasks:
        with pytest.raises(TaskCancelled):
            await task.result(DEADLINE)


async def test_a_cancel_that_is_told_leaves_nothing_to_tell(apart: TaskClient, redis: Redis) -> None:
    task = await apart.submit("tasks.add")
    await task.cancel()
    await apart.submit("tasks.add")
    await apart.queues.purge("celery")
    assert await redis.execute("EXISTS", UNTOLD) == 0


async def test_what_is_not_told_by_anybody_is_not_kept_for_ever(
    apart: TaskClient, redis: Redis, own_server: Child
) -> None:
    task = await apart.submit("tasks.add")
    await own_server.stop()
    with pytest.raises(BrokerUnavailable):
        await task.cancel()
    assert 0 < await redis.execute("TTL", UNTOLD) <= apart.settings.ended_ttl
    await redis.execute("SET", UNTOLD, "somebody else's")
    other = await apart.submit("tasks.add")
    with pytest.raises(BrokerUnavailable, match="is cancelled all the same"):
        await other.cancel()
