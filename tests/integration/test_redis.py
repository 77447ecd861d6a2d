"""The gateway to redis-py."""

import asyncio
import socket
import struct

import pytest

from app.cli.ports import free_port
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.redis import Redis, Script
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.restarting import kill, restart
from tests.integration.submissions import identity, submission, until


async def test_every_caller_gets_the_answer_to_its_own_command(redis: Redis) -> None:
    await asyncio.gather(*(redis.execute("SET", f"key{n}", n) for n in range(1_000)))
    answers = await asyncio.gather(*(redis.execute("GET", f"key{n}") for n in range(1_000)))
    assert answers == [str(n).encode() for n in range(1_000)]


async def test_a_command_that_is_refused_fails_for_its_caller_alone(redis: Redis) -> None:
    await redis.execute("SET", "text", "x")
    length, refused, text = await asyncio.gather(
        redis.execute("STRLEN", "text"), redis.execute("LLEN", "text"), redis.execute("GET", "text"),
        return_exceptions=True,
    )  # fmt: skip
    assert (length, text) == (1, b"x")
    assert isinstance(refused, UnreadableBytes)
    assert "key of another program" in str(refused)


RESET = struct.pack("ii", 1, 0)
"""Linger for no time: the connection is not closed but torn down."""


@pytest.mark.parametrize(
    "goodbye", [b"", b"-ERR idle for too long\r\n", None], ids=["without a word", "with a word", "torn down"]
)
async def test_a_connection_that_the_server_has_closed_meanwhile_is_opened_anew(
    goodbye: bytes | None,
) -> None:
    let_go, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(b"+OK\r\n" * data.count(b"*"))
            if b"GET" in data:
                break
        await let_go.wait()
        if goodbye is None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.write(goodbye or b"")
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", port := free_port()):
        url = server_url(port)
        async with Redis.open(url, BridgeSettings.load(redis_url=url)) as redis:
            assert await redis.execute("GET", "a") == b"OK"
            let_go.set()
            await gone.wait()
            assert await redis.execute("GET", "a") == b"OK"


async def test_a_hash_that_does_not_exist_has_no_fields(redis: Redis) -> None:
    await redis.execute("HSET", "hash", "a", 1)
    assert await redis.hash("hash") == {"a": b"1"}
    assert await redis.hash("nothing") == {}


async def test_a_script_runs_on_a_server_that_has_forgotten_it(redis: Redis) -> None:
    release = Script("release")
    for _ in range(2):
        await redis.execute("SCRIPT", "FLUSH")
        assert await redis.run(release, ["scheduled", "open"], ["petiole:", 0, 1]) == 0


async def test_a_script_that_finds_a_key_of_another_kind_says_so(redis: Redis) -> None:
    await redis.execute("SET", "scheduled", "x")
    with pytest.raises(UnreadableBytes, match="WRONGTYPE"):
        await redis.run(Script("release"), ["scheduled", "open"], ["petiole:", 0, 1])


async def test_a_transaction_is_done_as_a_whole(redis: Redis) -> None:
    assert await redis.transaction(("SET", "a", 1), ("GET", "a")) == [True, b"1"]


async def test_a_subscription_says_first_that_it_has_begun(redis: Redis) -> None:
    messages = redis.listen("news.*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await redis.execute("PUBLISH", "news.today", b"\xff")
        message = await anext(messages)
    await messages.aclose()
    assert (message.channel, message.data, message.begins) == ("news.today", b"\xff", False)


async def test_the_database_is_the_one_in_the_address(shared_url: str, settings: BridgeSettings) -> None:
    async with Redis.open(shared_url.removesuffix("/0") + "/3", settings) as redis:
        assert redis.database == 3
        assert repr(redis).startswith("<Redis database=3 ")


async def test_a_server_that_is_not_there_is_said_to_be_unavailable() -> None:
    settings = BridgeSettings.load(redis_url=server_url(free_port()))
    async with asyncio.timeout(5), Redis.open(settings.redis_url, settings) as redis:
        with pytest.raises(BrokerUnavailable):
            await redis.execute("PING")
        with pytest.raises(BrokerUnavailable):
            await redis.run(Script("release"), ["scheduled", "open"], ["petiole:", 0, 1])
        with pytest.raises(BrokerUnavailable):
            await anext(redis.listen("*"))


async def test_a_broker_that_goes_away_fails_submits_at_once_and_serves_them_when_it_is_back(
    own_server: Child, own_url: str
) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with (
        Redis.open(own_url, settings) as redis,
        Publisher.open(redis, settings, identity(Clock())) as publisher,
    ):
        await publisher.publish(submission("before"))
        await kill(own_server, redis)
        async with asyncio.timeout(1):
            with pytest.raises(BrokerUnavailable, match="Try again later"):
                await publisher.publish(submission("meanwhile"))

        await restart(own_server)
        await publisher.publish(submission("after"))

        known = [await redis.execute("EXISTS", f"petiole:task:{name}") for name in ("before", "meanwhile", "after")]
        assert known == [1, 0, 1]
        assert await redis.execute("LLEN", "celery") == 2


async def test_a_subscription_ends_with_its_connection(own_server: Child, own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with asyncio.timeout(5), Redis.open(own_url, settings) as redis:
        messages = redis.listen("*")
        assert (await anext(messages)).begins
        await own_server.kill()
        with pytest.raises(BrokerUnavailable):
            await anext(messages)


async def test_a_thousand_submits_of_one_moment_arrive_once_each(redis: Redis, publisher: Publisher) -> None:
    ids = {f"a{n}" for n in range(1_000)}

    await asyncio.gather(*(publisher.publish(submission(task_id)) for task_id in ids))

    assert await redis.execute("LLEN", "celery") == 1_000
    assert set(map(bytes.decode, await redis.execute("ZRANGE", "petiole:open", 0, -1))) == ids


async def test_what_still_waits_at_the_end_is_sent(redis: Redis, settings: BridgeSettings) -> None:
    async with Publisher.open(redis, settings, identity(Clock())) as publisher:
        submits = [publisher.publish(submission(f"a{n}")) for n in range(600)]
        await until(lambda: arrived(redis, 1))
    await asyncio.gather(*submits)
    assert await arrived(redis, 600)


async def arrived(redis: Redis, count: int) -> bool:
    return int(await redis.execute("LLEN", "celery")) >= count


async def test_what_is_handed_over_is_run_before_the_gateway_is_closed(redis: Redis) -> None:
    async with Redis.open(redis.settings.broker, redis.settings) as own:
        own.hand_over("SET", "handed", "over", otherwise="nothing was set")
    assert await redis.execute("GET", "handed") == b"over"


async def test_what_is_handed_over_and_cannot_be_run_is_logged(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    async with Redis.open(redis.settings.broker, redis.settings) as own:
        own.hand_over("SET", otherwise="nothing was set")
    own.hand_over("SET", "too", "late", otherwise="nothing was set either")
    assert [record.getMessage()[:23] for record in caplog.records] == [
        "nothing was set: wrong ", "nothing was set either:"
    ]  # fmt: skip
