"""Rate limits as several processes share them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bridge.access.rate_limits import AHEAD_FROM, AHEAD_SECONDS, Allowance, RateLimits
from bridge.errors import BrokerUnavailable
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.clocks import Clock

SLOW = 0.001
"""Requests a second: none comes back while a test runs."""


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def passes(limits: RateLimits, caller: str = "a") -> bool:
    return (await limits.take(caller)).passes


async def test_a_burst_passes_and_then_nothing(redis: Redis, stack: AsyncExitStack) -> None:
    limits = await stack.enter_async_context(RateLimits.open(redis, rate=SLOW, burst=3))
    taken = [await limits.take("a") for _ in range(5)]
    assert [one.passes for one in taken] == [True, True, True, False, False]
    assert [one.remaining for one in taken] == [2, 1, 0, 0, 0]
    assert [one.reset for one in taken] == [1_000, 2_000, 3_000, 3_000, 3_000]
    assert [one.retry_after for one in taken] == [0, 0, 0, 1_000, 1_000]


async def test_requests_of_one_moment_get_what_each_would_get_alone(redis: Redis, stack: AsyncExitStack) -> None:
    limits = await stack.enter_async_context(RateLimits.open(redis, rate=SLOW, burst=3))
    taken = await asyncio.gather(*(limits.take(caller) for caller in "abaababa"))
    assert [(one.passes, one.remaining) for one in taken] == [
        (True, 2),
        (True, 2),
        (True, 1),
        (True, 0),
        (True, 1),
        (False, 0),
        (True, 0),
        (False, 0),
    ]


async def test_processes_share_what_a_caller_may(redis: Redis, settings: BridgeSettings, stack: AsyncExitStack) -> None:
    other = await stack.enter_async_context(Redis.open(settings.redis_url, settings))
    ours = await stack.enter_async_context(RateLimits.open(redis, rate=SLOW, burst=4))
    theirs = await stack.enter_async_context(RateLimits.open(other, rate=SLOW, burst=4))
    assert [await passes(limits) for limits in (ours, theirs) * 3] == [True] * 4 + [False] * 2


async def test_requests_come_back_at_the_rate(redis: Redis, stack: AsyncExitStack) -> None:
    limits = await stack.enter_async_context(RateLimits.open(redis, rate=50, burst=2))
    assert [await passes(limits) for _ in range(2)] == [True, True]
    passed = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        while not await passes(limits):
            pass
    assert asyncio.get_running_loop().time() - passed < 5


async def test_a_caller_that_rests_leaves_nothing_behind(redis: Redis, stack: AsyncExitStack) -> None:
    limits = await stack.enter_async_context(RateLimits.open(redis, rate=0.5, burst=3))
    await limits.take("a")
    key = Keys(redis.settings.prefix).rate_limit("a")
    assert 1_000 < await redis.execute("PTTL", key) <= 2_000


async def test_a_rate_that_is_no_whole_number_loses_no_request(redis: Redis, stack: AsyncExitStack) -> None:
    limits = await stack.enter_async_context(RateLimits.open(redis, rate=3 * SLOW, burst=7))
    assert [await passes(limits) for _ in range(8)] == [True] * 7 + [False]


async def test_for_a_busy_caller_some_more_are_taken_ahead_and_all_are_counted(redis: Redis, clock: Clock) -> None:
    limits = RateLimits(redis, rate=SLOW, burst=100, clock=clock)
    assert limits.take_ahead("a") is None
    first = await asyncio.gather(*(limits.take("a") for _ in range(AHEAD_FROM)))
    assert all(one.passes for one in first)
    ahead = []
    while one := limits.take_ahead("a"):
        ahead.append(one)
    assert [one.remaining for one in ahead] == list(range(91, 81, -1))
    rest = [await passes(limits) for _ in range(100)]
    assert AHEAD_FROM + len(ahead) + rest.count(True) == 100


async def test_what_was_taken_ahead_is_of_that_caller_and_of_that_moment(redis: Redis, clock: Clock) -> None:
    limits = RateLimits(redis, rate=SLOW, burst=100, clock=clock)
    await asyncio.gather(*(limits.take("a") for _ in range(AHEAD_FROM)))
    assert limits.take_ahead("b") is None
    assert limits.take_ahead("a") is not None
    clock.now += AHEAD_SECONDS
    assert limits.take_ahead("a") is None


async def test_a_caller_with_few_requests_is_counted_one_by_one(redis: Redis, clock: Clock) -> None:
    limits = RateLimits(redis, rate=SLOW, burst=100, clock=clock)
    taken: list[Allowance] = await asyncio.gather(*(limits.take("a") for _ in range(AHEAD_FROM - 1)))
    assert taken[-1].remaining == 100 - AHEAD_FROM + 1
    assert limits.take_ahead("a") is None


async def test_while_redis_is_away_asking_fails_at_once(own_url: str, stack: AsyncExitStack) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    away = await stack.enter_async_context(Redis.open(own_url, settings))
    limits = await stack.enter_async_context(RateLimits.open(away, rate=1, burst=1))
    with pytest.raises(BrokerUnavailable):
        await limits.take("a")
