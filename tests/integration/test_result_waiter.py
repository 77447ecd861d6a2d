"""Awaiting results: subscribed before they are read, on one connection, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from app.cli.processes.child import Child
from bridge.errors import BrokerUnavailable, ClientClosed, PublisherBusy, UnreadableBytes
from bridge.redis import Redis
from bridge.results.backend import ResultBackend
from bridge.results.waiter import BATCH, ResultWaiter
from bridge.settings import BridgeSettings
from tests.celery_says import meta
from tests.integration.restarting import restart
from tests.integration.submissions import until

DEADLINE = 20


@asynccontextmanager
async def opened(redis: Redis, settings: BridgeSettings) -> AsyncIterator[ResultWaiter]:
    async with ResultWaiter.open(redis, ResultBackend(redis, settings)) as waiter:
        yield waiter


@pytest.fixture
async def waiter(redis: Redis, settings: BridgeSettings) -> AsyncIterator[ResultWaiter]:
    async with opened(redis, settings) as made:
        yield made


async def stores(redis: Redis, task_id: str, value: bytes) -> None:
    """What a worker does with a result."""
    key = f"celery-task-meta-{task_id}"
    await redis.transaction(("SETEX", key, 60, value), ("PUBLISH", key, value))


async def channels(redis: Redis) -> list[bytes]:
    found: list[bytes] = await redis.execute("PUBSUB", "CHANNELS", "celery-task-meta-*")
    return sorted(found)


async def hears(redis: Redis, *task_ids: str) -> bool:
    return await channels(redis) == sorted(f"celery-task-meta-{task_id}".encode() for task_id in task_ids)


async def test_a_result_that_is_there_already_is_found(redis: Redis, waiter: ResultWaiter) -> None:
    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    async with asyncio.timeout(DEADLINE):
        assert (await waiter.wait("a1")).result == 3


async def test_a_result_is_heard_as_it_is_stored_and_what_comes_before_it_is_not_taken_for_it(
    redis: Redis, waiter: ResultWaiter
) -> None:
    waiting = asyncio.create_task(waiter.wait("a1"))
    await until(partial(hears, redis, "a1"))

    for state in ("STARTED", "PROGRESS", "RETRY"):
        await stores(redis, "a1", meta("a1", state, {"n": 1}))
    await stores(redis, "a1", meta("a1", "FAILURE", {"exc_type": "ValueError"}))

    async with asyncio.timeout(DEADLINE):
        assert (await waiting).state == "FAILURE"
    await until(partial(hears, redis))


async def test_thousands_are_awaited_at_once_and_nothing_of_them_is_left(redis: Redis, waiter: ResultWaiter) -> None:
    ids = [f"t{number}" for number in range(3 * BATCH + 7)]
    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    await waiter.wait("a1")  # which makes the connection, and that stays
    tasks_before = len(asyncio.all_tasks())
    waiting = [asyncio.create_task(waiter.wait(task_id)) for task_id in ids]
    await until(partial(hears, redis, *ids))

    for task_id in ids:
        await stores(redis, task_id, meta(task_id, "SUCCESS", task_id))

    async with asyncio.timeout(DEADLINE):
        assert [found.result for found in await asyncio.gather(*waiting)] == ids
    await until(partial(hears, redis))
    assert repr(waiter) == "<ResultWaiter awaited=0>"
    assert len(asyncio.all_tasks()) == tasks_before


async def test_one_who_gives_up_leaves_the_others_waiting(redis: Redis, waiter: ResultWaiter) -> None:
    gone, staying = (asyncio.create_task(waiter.wait("a1")) for _ in range(2))
    await until(partial(hears, redis, "a1"))
    gone.cancel()
    await asyncio.wait([gone])
    assert await hears(redis, "a1")

    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    async with asyncio.timeout(DEADLINE):
        assert (await staying).result == 3


async def test_one_who_gives_up_and_comes_back_at_once_still_hears(redis: Redis, waiter: ResultWaiter) -> None:
    first = asyncio.create_task(waiter.wait("a1"))
    await until(partial(hears, redis, "a1"))
    first.cancel()
    await asyncio.wait([first])
    again = asyncio.create_task(waiter.wait("a1"))
    await until(partial(hears, redis, "a1"))
    await redis.execute("PING")

    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    async with asyncio.timeout(DEADLINE):
        assert (await again).result == 3


async def test_what_is_no_result_is_an_error_of_its_waiter_alone(redis: Redis, waiter: ResultWaiter) -> None:
    await redis.execute("SET", "celery-task-meta-a1", "nonsense")
    await stores(redis, "b1", meta("b1", "SUCCESS", 3))
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(UnreadableBytes):
            await waiter.wait("a1")
        assert (await waiter.wait("b1")).result == 3


async def test_a_result_stored_while_the_connection_was_gone_is_found(own_server: Child, own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(own_url, settings) as redis, opened(redis, settings) as waiter:
        waiting = asyncio.create_task(waiter.wait("a1"))
        await until(partial(hears, redis, "a1"))
        await redis.execute("SET", "celery-task-meta-a1", meta("a1", "SUCCESS", 3))
        await own_server.stop()
        await restart(own_server)

        async with asyncio.timeout(DEADLINE):
            assert (await waiting).result == 3


async def test_whoever_begins_to_wait_in_the_moment_a_result_comes_has_it_too(
    redis: Redis, waiter: ResultWaiter
) -> None:
    waiting: set[asyncio.Task[object]] = set()
    has_come = asyncio.Event()

    def join_in_each_turn_of_the_loop() -> None:
        if any(one.done() for one in waiting):
            has_come.set()
            return
        waiting.add(asyncio.create_task(waiter.wait("a1")))
        asyncio.get_running_loop().call_soon(join_in_each_turn_of_the_loop)

    join_in_each_turn_of_the_loop()
    await until(partial(hears, redis, "a1"))
    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    async with asyncio.timeout(DEADLINE):
        await has_come.wait()
        await asyncio.gather(*waiting)
    await until(partial(hears, redis))


async def test_results_come_though_callers_have_filled_the_line_to_redis(redis: Redis, shared_url: str) -> None:
    narrow = BridgeSettings.load(redis_url=shared_url, max_pending_submits=1, command_timeout=DEADLINE)

    async def is_on_its_way() -> bool:
        await redis.execute("PING")
        return "on_their_way=1" in repr(gateway)

    async with Redis.open(shared_url, narrow) as gateway, opened(gateway, narrow) as waiter:
        ahead = asyncio.create_task(gateway.execute("BLPOP", "way", DEADLINE))
        await until(is_on_its_way)
        in_line = asyncio.create_task(gateway.execute("PING"))
        await is_on_its_way()
        with pytest.raises(PublisherBusy):
            await gateway.execute("PING")

        await stores(redis, "a1", meta("a1", "SUCCESS", 3))
        try:
            async with asyncio.timeout(DEADLINE / 4):
                assert (await waiter.wait("a1")).result == 3
        finally:
            await redis.execute("RPUSH", "way", "free")
        await asyncio.gather(ahead, in_line)


class Mistaken(ResultBackend):
    """A backend whose first reads find a mistake in the program."""

    mistakes = 2

    async def stored_apart(self, task_ids: Sequence[str], patience: float = 1) -> list[bytes | None]:
        if self.mistakes:
            self.mistakes -= 1
            raise ZeroDivisionError
        return await super().stored_apart(task_ids)


async def test_a_mistake_is_told_to_all_who_wait_and_ends_nothing(redis: Redis, settings: BridgeSettings) -> None:
    await stores(redis, "a1", meta("a1", "SUCCESS", 3))
    async with ResultWaiter.open(redis, Mistaken(redis, settings)) as waiter, asyncio.timeout(DEADLINE / 4):
        for _ in range(Mistaken.mistakes):
            told = await asyncio.gather(waiter.wait("a1"), waiter.wait("b1"), return_exceptions=True)
            assert [type(one) for one in told] == [ZeroDivisionError] * 2
        assert (await waiter.wait("a1")).result == 3


class SlowLine(ResultBackend):
    """Has one result that comes only to who reads few at once and waits for longer."""

    async def stored_apart(self, task_ids: Sequence[str], patience: float = 1) -> list[bytes | None]:
        if "large" in task_ids and patience < 4:
            raise BrokerUnavailable("nothing came") from TimeoutError()
        return await super().stored_apart(task_ids, patience)


async def test_a_result_that_comes_slowly_is_waited_for_longer_and_keeps_no_other(
    redis: Redis, settings: BridgeSettings
) -> None:
    for task_id in ("large", "small"):
        await stores(redis, task_id, meta(task_id, "SUCCESS", task_id))
    async with ResultWaiter.open(redis, SlowLine(redis, settings)) as waiter, asyncio.timeout(DEADLINE):
        metas = await asyncio.gather(waiter.wait("large"), waiter.wait("small"))
    assert [one.result for one in metas] == ["large", "small"]


class Breaking(ResultBackend):
    """Breaks in the moment in which whoever reads it is cancelled."""

    reader: "asyncio.Task[None] | None" = None

    async def stored_apart(self, task_ids: Sequence[str], patience: float = 1) -> list[bytes | None]:
        self.reader = asyncio.current_task()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise BrokerUnavailable("it broke") from None
        return []


async def test_a_client_closes_though_its_connection_breaks_in_that_moment(
    redis: Redis, settings: BridgeSettings
) -> None:
    backend = Breaking(redis, settings)

    async def is_read() -> bool:
        await redis.execute("PING")
        return backend.reader is not None

    async with asyncio.timeout(DEADLINE):
        async with ResultWaiter.open(redis, backend) as waiter:
            waiting = asyncio.create_task(waiter.wait("a1"))
            await until(is_read)
        with pytest.raises(ClientClosed):
            await waiting
