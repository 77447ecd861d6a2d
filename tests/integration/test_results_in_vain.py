"""Awaiting results that do not come: what is told when the time is over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from traceback import extract_tb
from typing import Any

import pytest
from redis import exceptions

from app.cli.ports import LOOPBACK
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from bridge import Canvas, TaskClient, chain, chord, connect, group, signature
from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.redis import Redis
from tests.celery_says import meta

TASK = signature("tasks.add")
WORKFLOWS: dict[str, Canvas] = {
    "a chain": chain(TASK, TASK.set(task_id="last")),
    "a group": group(TASK, TASK).set(task_id="last"),
    "a chord": chord([TASK, TASK], TASK.set(task_id="last")),
    "a group in a group": group(TASK, group(TASK, TASK)).set(task_id="last"),
}


@pytest.mark.parametrize("canvas", WORKFLOWS.values(), ids=WORKFLOWS)
async def test_a_workflow_that_has_not_ended_says_so(client: TaskClient, canvas: Canvas) -> None:
    with pytest.raises(TimeoutError, match=r"The workflow of 'last' has not ended within 0\.05 s\."):
        await client.run(canvas, timeout=0.05)


@pytest.mark.parametrize("canvas", WORKFLOWS.values(), ids=WORKFLOWS)
async def test_a_workflow_whose_backend_has_gone_says_so(own_url: str, own_server: Child, canvas: Canvas) -> None:
    async with connect(own_url) as client:
        handle = await client.start(canvas)
        await own_server.stop()
        with pytest.raises(BrokerUnavailable) as gone:
            await handle.result(0.5)
    assert isinstance(gone.value.__cause__, exceptions.ConnectionError)


async def test_a_key_of_another_type_among_the_members_is_told(client: TaskClient, redis: Redis) -> None:
    handle = await client.start(group(TASK, TASK.set(task_id="list")))
    await redis.execute("RPUSH", "celery-task-meta-list", "a")
    with pytest.raises(UnreadableBytes, match="celery-task-meta-list is a list"):
        await handle.result(0.05)


@pytest.fixture
async def silent_url() -> AsyncIterator[str]:
    """The address of something that takes connections and never answers."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: writers.append(writer), LOOPBACK, 0)
    async with server:
        yield server_url(server.sockets[0].getsockname()[1])
    for writer in writers:
        writer.close()
        await writer.wait_closed()


Awaits = Callable[[TaskClient], Awaitable[Any]]


@pytest.mark.parametrize(
    "awaits",
    [lambda client: client.result("a1", 0.05), lambda client: client.run(group(TASK, TASK), timeout=0.05)],
    ids=["a task", "a group"],
)
async def test_a_backend_that_hangs_is_told_as_such(
    redis: Redis, shared_url: str, silent_url: str, awaits: Awaits
) -> None:
    async with connect(shared_url, backend=silent_url) as client:
        with pytest.raises(BrokerUnavailable, match=r"has not answered within 0\.5 s"):
            await awaits(client)


async def test_of_thousands_that_are_late_in_one_moment_each_is_told_just_that(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url, max_pending_submits=100) as client:
        results = (client.result(f"t{number}", timeout=0.2) for number in range(3_000))
        told = await asyncio.gather(*results, return_exceptions=True)
    assert {type(one) for one in told} == {TimeoutError}


async def test_each_of_many_whose_backend_is_away_gets_an_error_of_its_own(own_url: str) -> None:
    async with connect(own_url) as client:
        results = (client.result(f"t{number}", timeout=0.2) for number in range(50))
        told = [one for one in await asyncio.gather(*results, return_exceptions=True) if isinstance(one, Exception)]
        assert [type(one) for one in told] == [BrokerUnavailable] * 50
        assert len(set(map(id, told))) == 50
        assert {type(one.__cause__) for one in told} == {exceptions.ConnectionError}
        frames = {len(extract_tb(one.__traceback__)) for one in told}
        with pytest.raises(BrokerUnavailable) as later:
            await client.result("a1", timeout=0.2)
    assert len(extract_tb(later.value.__traceback__)) <= max(frames) + 1


async def test_children_that_are_none_are_unreadable(client: TaskClient, redis: Redis) -> None:
    await redis.execute("SET", "celery-task-meta-a1", meta("a1", "SUCCESS", children=5))
    with pytest.raises(UnreadableBytes, match="not the meta of a task"):
        await client.handle("a1").children()
