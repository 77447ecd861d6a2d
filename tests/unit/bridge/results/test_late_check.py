import asyncio
from collections.abc import Sequence
from typing import Any

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.protocol.keys import ResultKeys
from bridge.redis import Command, Redis
from bridge.results.late_check import CHECK_SECONDS, CHECKED, LINE, LateCheck
from bridge.settings import BridgeSettings


class Told(Redis):
    """A gateway that answers what a test tells it, once `answers` is set, and counts what it is asked."""

    def __init__(self, **kinds: bytes) -> None:
        settings = BridgeSettings.load()
        super().__init__(settings.backend, settings)
        self.kinds = kinds
        self.trips: list[int] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def apart(self, *commands: Command, patience: float = 1) -> list[Any]:
        self.trips.append(len(commands))
        await self.answers.wait()
        return [self.kinds.get(str(key).removeprefix("celery-task-meta-"), b"none") for _, key in commands]


def late(redis: Redis, seconds: float = CHECK_SECONDS, line: int = LINE) -> LateCheck:
    return LateCheck(redis, ResultKeys.of(""), seconds, line)


async def all_told(check: LateCheck, asked: Sequence[Sequence[str]]) -> list[BaseException | None]:
    return await asyncio.gather(*map(check.ask, asked), return_exceptions=True)


async def test_all_who_are_late_in_one_moment_share_a_round_trip() -> None:
    redis = Told(b=b"list")
    told = await all_told(late(redis), [["a"], ["a", "b"], ["c"]])
    assert redis.trips == [3]
    assert [type(one) for one in told] == [type(None), UnreadableBytes, type(None)]


async def test_of_a_large_workflow_a_part_is_looked_at_and_many_of_them_take_more_than_one_trip() -> None:
    redis = Told()
    await all_told(late(redis), [[f"{name}{number}" for number in range(2 * CHECKED)] for name in "ab"])
    assert redis.trips == [CHECKED, CHECKED]


async def test_a_process_that_was_busy_for_all_of_the_time_still_hears_the_answer() -> None:
    redis = Told()
    redis.answers.clear()
    told = asyncio.create_task(all_told(late(redis, seconds=0), [["a"]]))
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, loop.call_soon, redis.answers.set)  # some turns after the time was over
    async with asyncio.timeout(5):
        assert await told == [None]


async def test_a_server_that_says_nothing_is_told_as_away_and_nobody_in_line_waits_for_it_again() -> None:
    redis = Told()
    redis.answers.clear()
    told = await all_told(late(redis, seconds=0.01), [[f"t{number}"] for number in range(3 * CHECKED)])
    assert {type(one) for one in told} == {BrokerUnavailable}
    assert redis.trips == [CHECKED]


async def test_when_too_many_are_late_the_rest_is_told_nothing() -> None:
    told = await all_told(late(Told(a=b"list", b=b"list"), line=1), [["a"], ["b"]])
    assert [type(one) for one in told] == [UnreadableBytes, type(None)]
