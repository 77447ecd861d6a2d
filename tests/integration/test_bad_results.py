"""Bad days of a result: each a clear error in time, whatever is stored."""

import asyncio
import json
import pickle
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions

from app.cli.ports import free_port
from app.cli.stack.embedded import server_url
from bridge import TaskClient, connect
from bridge.errors import BrokerUnavailable, DuplicateTask, PetioleError, TaskFailed, UnreadableBytes
from bridge.protocol.result import COMPRESSED
from bridge.redis import Redis
from bridge.results.backend import ResultBackend
from bridge.results.waiter import ResultWaiter
from bridge.settings import BridgeSettings
from tests.celery_says import meta
from tests.servers import redis_server

KEY = "celery-task-meta-a1"
DEADLINE = 10
GOOD = meta("a1", "SUCCESS", {"sum": 5})


async def stored(redis: Redis, value: bytes) -> None:
    await redis.execute("SET", KEY, value)


async def published(redis: Redis, value: bytes) -> None:
    """As a worker does it, once somebody listens."""
    async with asyncio.timeout(DEADLINE):
        while not await redis.execute("PUBLISH", KEY, value):
            pass


def in_the_end(client: TaskClient) -> Any:
    return client.result("a1", timeout=DEADLINE)


async def test_a_compressed_result_is_read_as_any_other(client: TaskClient, redis: Redis) -> None:
    await stored(redis, COMPRESSED + b"application/x-gzip\x00" + zlib.compress(GOOD))
    assert await in_the_end(client) == {"sum": 5}


async def test_a_result_in_another_serialization_is_read_as_any_other(client: TaskClient, redis: Redis) -> None:
    yaml = pytest.importorskip("yaml")
    await stored(redis, yaml.safe_dump(json.loads(GOOD)).encode())
    assert await in_the_end(client) == {"sum": 5}


BAD = {
    "half written": (GOOD[:40], "not the meta of a task"),
    "empty": (b"", "not the meta of a task"),
    "no object": (b"[5]", "not the meta of a task"),
    "of another program": (b'{"hello": "world"}', "not the meta of a task"),
    "a pickle": (pickle.dumps(json.loads(GOOD)), "a pickle, which is never read here"),
    "compressed and cut off": (
        COMPRESSED + b"application/x-gzip\x00" + zlib.compress(GOOD)[:9],
        "not application/x-gzip",
    ),
    "compressed by what is not known": (COMPRESSED + b"application/x-new\x00abc", "is no compression"),
    "too deep": (b'{"task_id": "a1", "status": "SUCCESS", "result": ' + b"[" * 10_000, "not the meta of a task"),
    "much YAML": (b"status: SUCCESS\ntask_id: a1\nresult:\n" + b"- 1\n" * 500_000, "which would take too long to read"),
    "little YAML that stands for much": (
        b"a: &a [x,x,x]\nb: &b [" + b"*a," * 100 + b"]\nc: [" + b"*b," * 100 + b"]",
        "of more than 20,000 values",
    ),
    "too deep for what comes after": (
        b'{"task_id": "a1", "status": "SUCCESS", "result": ' + b"[" * 700 + b"]" * 700 + b"}",
        "nested too deep",
    ),
}


@pytest.mark.parametrize(("value", "sentence"), BAD.values(), ids=BAD)
async def test_what_is_stored_and_cannot_be_read_is_a_clear_error_at_once(
    client: TaskClient, redis: Redis, value: bytes, sentence: str
) -> None:
    await stored(redis, value)
    with pytest.raises(UnreadableBytes, match=re.escape(sentence)) as unreadable:
        await in_the_end(client)
    assert unreadable.value.__cause__ is not None


@pytest.mark.parametrize(("value", "sentence"), BAD.values(), ids=BAD)
async def test_what_is_published_and_cannot_be_read_is_a_clear_error_at_once(
    client: TaskClient, redis: Redis, value: bytes, sentence: str
) -> None:
    awaiting = asyncio.create_task(in_the_end(client))
    await published(redis, value)
    with pytest.raises(UnreadableBytes, match=re.escape(sentence)):
        await awaiting


@pytest.mark.parametrize(
    "result", [None, 5, "text", [], {"exc_type": 5, "exc_message": {"a": 1}}, {"exc_message": "x"}]
)
@pytest.mark.parametrize("state", ["FAILURE", "REVOKED"])
async def test_a_failure_of_unknown_shape_is_a_failure(
    client: TaskClient, redis: Redis, state: str, result: object
) -> None:
    await stored(redis, meta("a1", state, result))
    with pytest.raises(PetioleError) as failed:
        await in_the_end(client)
    assert not isinstance(failed.value, UnreadableBytes)


async def test_a_traceback_that_is_no_text_does_no_harm(client: TaskClient, redis: Redis) -> None:
    failed = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
    await stored(redis, meta("a1", "FAILURE", failed, traceback=["a", 5]))
    with pytest.raises(TaskFailed, match="ValueError"):
        await in_the_end(client)


async def test_a_key_of_another_type_is_told_when_the_time_is_over(client: TaskClient, redis: Redis) -> None:
    await redis.execute("RPUSH", KEY, "a", "b")
    with pytest.raises(UnreadableBytes, match=f"{KEY} is a list, where Celery stores a string"):
        await client.result("a1", timeout=0.05)


async def test_a_result_that_does_not_come_says_so(client: TaskClient, redis: Redis) -> None:
    with pytest.raises(TimeoutError, match=r"'a1' has not ended within 0\.05 s"):
        await client.result("a1", timeout=0.05)


@pytest.mark.parametrize("refused", ["mget", "subscribe"])
async def test_a_server_that_may_not_be_asked_for_results_is_told_when_the_time_is_over(
    redis: Redis, shared_url: str, refused: str
) -> None:
    await redis.execute("ACL", "SETUSER", "blind", "on", "nopass", "~*", "&*", "+@all", f"-{refused}")
    async with connect(shared_url, backend=shared_url.replace("//", "//blind:any@")) as client:
        with pytest.raises(BrokerUnavailable, match=f"no permissions to run the '{refused}' command"):
            await client.result("a1", timeout=0.5)
        await redis.execute("ACL", "SETUSER", "blind", f"+{refused}")
        await stored(redis, GOOD)
        assert await in_the_end(client) == {"sum": 5}
    await redis.execute("ACL", "DELUSER", "blind")


class Refuses(Redis):
    """A gateway to a server without PUB/SUB, as some proxies are."""

    def subscriptions(self) -> Any:
        raise UnreadableBytes("Redis refused a command: unknown command 'SUBSCRIBE'")


async def test_a_server_that_cannot_tell_results_is_a_clear_error_at_once(settings: BridgeSettings) -> None:
    async with (
        Refuses.open(settings.backend, settings) as redis,
        ResultWaiter.open(redis, ResultBackend(redis, settings)) as waiter,
    ):
        for _ in range(2):
            async with asyncio.timeout(DEADLINE):
                with pytest.raises(UnreadableBytes, match="unknown command"):
                    await waiter.wait("a1")


LARGE = meta("a1", "SUCCESS", "x" * 50_000_000)


async def test_a_stored_result_of_50_megabytes_comes_whole(client: TaskClient, redis: Redis) -> None:
    await stored(redis, LARGE)
    assert len(await in_the_end(client)) == 50_000_000


async def test_a_result_that_is_too_large_to_be_published_comes_whole(client: TaskClient, redis: Redis) -> None:
    """Redis closes the connection of a subscriber for whom more than 32 megabytes wait."""
    awaiting = asyncio.create_task(in_the_end(client))
    await published(redis, meta("a1", "STARTED"))
    await redis.transaction(("SET", KEY, LARGE), ("PUBLISH", KEY, LARGE))
    assert len(await awaiting) == 50_000_000


async def test_redis_that_goes_while_a_result_is_awaited_is_told_when_the_time_is_over(tmp_path: Path) -> None:
    port = free_port()
    server = redis_server(port, tmp_path)
    await server.start()
    await server.ready()
    async with connect(server_url(port)) as client:
        task = await client.submit("tasks.add", task_id="a1")
        awaiting = asyncio.create_task(task.result(timeout=1.5))
        while not await client._parts.store._redis.execute("PUBLISH", KEY, meta("a1", "STARTED")):
            pass
        await server.stop()

        async with asyncio.timeout(DEADLINE):
            with pytest.raises(BrokerUnavailable) as gone:
                await awaiting
    assert isinstance(gone.value.__cause__, exceptions.ConnectionError)


async def test_a_submit_that_is_tried_again_with_its_id_is_accepted_once(tmp_path: Path) -> None:
    port = free_port()
    server = redis_server(port, tmp_path)
    async with connect(server_url(port)) as client:
        with pytest.raises(BrokerUnavailable):
            await client.submit("tasks.add", task_id="a1")
        await server.start()
        await server.ready()

        await client.submit("tasks.add", task_id="a1")
        with pytest.raises(DuplicateTask):
            await client.submit("tasks.add", task_id="a1")
        assert await client._parts.store._redis.execute("LLEN", "celery") == 1
    await server.stop()
