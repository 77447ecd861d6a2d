"""Stock workers run what is sent in other serializers and compressed, and what they store and say so is read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from importlib.util import find_spec
from itertools import product

import pytest

from bridge import SubmitOptions, TaskClient, chain, chord, connect, signature
from bridge.errors import TaskFailed
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.servers import celery_worker

DEADLINE = 30
W1 = "w1@example"
SERIALIZERS = ("json", *(name for name in ("yaml", "msgpack") if find_spec(name)))
COMPRESSIONS = (
    *(None, "zlib", "bzip2", "lzma"),
    *(name for name, package in (("zstd", "zstandard"), ("brotli", "brotli")) if find_spec(package)),
)
KWARGS = {"a": [1, 2.5, None, True], "größe": "😀", "deep": {"er": ["x" * 1_000]}}


@pytest.fixture(scope="module", params=SERIALIZERS)
def accepting(
    request: pytest.FixtureRequest, shared_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a worker that takes all serializers and writes one: results, events, replies."""
    child = celery_worker(shared_url, tmp_path_factory.mktemp("worker") / "log")
    argv = tuple(part.replace("celery_tasks:", "celery_accepting:") for part in child.service.argv)
    child.service = replace(child.service, argv=argv, env={**child.service.env, "SERIALIZER": request.param})
    with asyncio.Runner() as runner:
        runner.run(child.start())
        yield shared_url
        runner.run(child.stop())


@pytest.fixture
async def tasks(accepting: str) -> AsyncIterator[TaskClient]:
    async with connect(accepting) as client:
        yield client


@pytest.mark.parametrize(("serializer", "compression"), list(product(SERIALIZERS, COMPRESSIONS)))
async def test_a_worker_runs_what_is_sent_and_its_result_is_read(
    tasks: TaskClient, serializer: str, compression: str | None
) -> None:
    task = await tasks.submit(
        "golden.echo", [1, "é"], KWARGS, serializer=serializer, compression=compression, record=False
    )
    assert await task.result(DEADLINE) == [[1, "é"], KWARGS]


async def test_a_failure_is_read_as_well(tasks: TaskClient) -> None:
    task = await tasks.submit("golden.fails", serializer="json", compression="zlib")
    with pytest.raises(TaskFailed, match="ValueError"):
        await task.result(DEADLINE)


async def test_callbacks_are_run(tasks: TaskClient) -> None:
    callback = signature("golden.echo", ("called",), immutable=True, task_id="callback-1")
    for serializer in SERIALIZERS:
        await tasks.forget("callback-1")
        await tasks.submit("golden.echo", link=[chain(callback)], serializer=serializer)
        assert await tasks.result("callback-1", DEADLINE) == [["called"], {}]


@pytest.mark.parametrize("serializer", SERIALIZERS)
async def test_workflows_run(tasks: TaskClient, serializer: str) -> None:
    """Its first step is sent by us, and the others by the worker."""
    one, other = (signature("golden.echo", (name,), serializer=serializer, compression="zlib") for name in "ab")
    assert await tasks.run(chain(one, other), timeout=DEADLINE) == [[[["a"], {}], "b"], {}]
    assert await tasks.run(chord([one, one], other), timeout=DEADLINE) == [[[[["a"], {}]] * 2, "b"], {}]


async def test_replies_to_remote_control_are_read(tasks: TaskClient) -> None:
    await (await tasks.submit("golden.echo")).result(DEADLINE)  # it is up
    assert await tasks.control.ping(timeout=DEADLINE) == {W1: {"ok": "pong"}}
    (queues,) = (await tasks.control.active_queues(timeout=DEADLINE)).values()
    assert [queue["name"] for queue in queues] == ["celery"]
    (registered,) = (await tasks.control.registered(timeout=DEADLINE)).values()
    assert "golden.echo" in registered
    found = await tasks.control.query_task("nowhere", timeout=DEADLINE)
    assert found == {W1: {}}


async def test_events_are_read(tasks: TaskClient) -> None:
    async with aclosing(tasks.events()) as events, asyncio.timeout(DEADLINE):
        assert (await anext(events)).hostname == W1
        task = await tasks.submit("golden.echo", record=False)
        kinds = []
        while "task-succeeded" not in kinds:
            event = await anext(events)
            kinds += [event.type] if event.task_id == task.task_id else []
    assert kinds == ["task-sent", "task-received", "task-started", "task-succeeded"]


async def test_everything_at_once_does_no_worker_harm(tasks: TaskClient, shared_url: str) -> None:
    options = SubmitOptions(
        shadow="é",
        headers={"x": {"y": [1]}},
        stamps={"tenant": ["a", 1]},
        retries=3,
        reply_to="me",
        correlation_id="c",
        argsrepr="(…)",
        kwargsrepr="",
        root_id="r",
        parent_id="p",
        group_id="no-chord",
        group_index=7,
        chord=signature("golden.echo"),
        ignore_result=False,
        time_limit=20,
        soft_time_limit=10.5,
        expires=60,
        priority=9,
        compression="lzma",
        link_error=signature("golden.echo"),
    )
    task = await tasks.submit("golden.echo", [1], **options)
    assert await task.result(DEADLINE) == [[1], {}]
    async with Redis.open(BridgeSettings.load(redis_url=shared_url).broker, tasks.settings) as redis:
        unacked = await redis.execute("HVALS", "unacked")  # of other workers' tasks as well
    assert not any(task.task_id.encode() in message for message in unacked)
