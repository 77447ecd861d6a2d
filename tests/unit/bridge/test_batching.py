import asyncio
from collections.abc import Sequence
from traceback import extract_tb
from typing import Self

import pytest
from redis import exceptions

from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, ClientClosed, InvalidMessage, PublisherBusy, QueueSaturated


class Trip:
    """A flush that lets a test look at each batch, and answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._left = asyncio.Semaphore(0)
        self._back = asyncio.Semaphore(0)

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self._left.release()
        await self._back.acquire()
        return [item * 10 if item >= 0 else ValueError(item) for item in items]

    async def has_left(self) -> None:
        async with asyncio.timeout(5):
            await self._left.acquire()

    def comes_back(self, times: int = 1) -> None:
        for _ in range(times):
            self._back.release()


def batcher(trip: Trip, *, size: int = 100, limit: int = 100) -> Batcher[int, int]:
    return Batcher(trip, size=size, limit=limit)


async def test_calls_of_one_moment_leave_together_and_each_gets_its_own_answer() -> None:
    trip = Trip()
    trip.comes_back()
    async with batcher(trip) as batches:
        answers = await asyncio.gather(*(batches.call(item) for item in range(5)))
    assert answers == [0, 10, 20, 30, 40]
    assert trip.batches == [[0, 1, 2, 3, 4]]


async def test_while_one_batch_is_on_its_way_the_next_one_gathers_in_order() -> None:
    trip = Trip()
    async with batcher(trip, size=2) as batches:
        first = batches.call(0)
        await trip.has_left()
        others = [batches.call(item) for item in (1, 2, 3)]
        trip.comes_back(3)
        assert await asyncio.gather(first, *others) == [0, 10, 20, 30]
    assert trip.batches == [[0], [1, 2], [3]]


async def test_an_error_of_one_item_reaches_its_caller_alone() -> None:
    trip = Trip()
    trip.comes_back()
    async with batcher(trip) as batches:
        good, bad = batches.call(1), batches.call(-1)
        assert await good == 10
        with pytest.raises(ValueError, match="-1"):
            await bad


async def test_an_error_of_the_flush_reaches_each_caller_and_the_next_batch_leaves() -> None:
    failures = [OSError("no route")]

    async def flush(items: Sequence[int]) -> Sequence[int | Exception]:
        if failures:
            raise failures.pop()
        return items

    async with Batcher(flush, size=10, limit=10) as batches:
        outcomes = await asyncio.gather(batches.call(1), batches.call(2), return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["no route", "no route"]
        assert await batches.call(3) == 3


ERRORS = [
    QueueSaturated("mail", 5, retry_after=7),
    InvalidMessage("/args/0", "is bad"),
    BrokerUnavailable("gone", retry_after=3),
    exceptions.ResponseError("WRONGTYPE"),
    ConnectionResetError(104, "reset by peer"),
    TimeoutError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_each_caller_of_a_batch_that_failed_gets_an_error_of_its_own(error: Exception) -> None:
    cause = OSError("no route")

    async def flush(_items: Sequence[int]) -> Sequence[int | Exception]:
        raise error from cause

    async with Batcher(flush, size=10, limit=10) as batches:
        first, second = await asyncio.gather(batches.call(1), batches.call(2), return_exceptions=True)
    assert isinstance(first, Exception)
    assert isinstance(second, Exception)
    assert first is not second
    for one in (first, second):
        assert (type(one), str(one), one.args, vars(one)) == (type(error), str(error), error.args, vars(error))
        assert one.__cause__ is cause
        assert [frame.name for frame in extract_tb(one.__traceback__)] == ["_answers", "flush"]


class MadeElsewhere(ValueError):
    """An error that Python code cannot make, as pydantic's are."""

    def __new__(cls, *args: object) -> Self:
        if args:
            return super().__new__(cls)
        raise TypeError("no constructor defined")


async def test_an_error_that_cannot_be_made_anew_reaches_each_caller_as_it_is() -> None:
    error = MadeElsewhere("no number")
    error.args = ()

    async def flush(_items: Sequence[int]) -> Sequence[int | Exception]:
        raise error

    async with Batcher(flush, size=10, limit=10) as batches:
        told = await asyncio.gather(batches.call(1), batches.call(2), return_exceptions=True)
    assert [one is error for one in told] == [True, True]


async def test_a_caller_that_was_cancelled_takes_nothing_from_the_others() -> None:
    trip = Trip()

    async def caller(item: int) -> int:
        return await batches.call(item)

    async with batcher(trip) as batches:
        impatient, patient = asyncio.create_task(caller(1)), asyncio.create_task(caller(2))
        await trip.has_left()
        impatient.cancel()
        trip.comes_back()
        assert await patient == 20
        with pytest.raises(asyncio.CancelledError):
            await impatient
    assert trip.batches == [[1, 2]]


async def test_what_nobody_awaits_any_more_is_not_sent() -> None:
    trip = Trip()
    async with batcher(trip, size=2) as batches:
        first = batches.call(0)
        await trip.has_left()
        calls = [batches.call(item) for item in range(1, 6)]
        for call in calls[:3]:
            call.cancel()
        trip.comes_back(3)
        assert await asyncio.gather(first, *calls[3:]) == [0, 40, 50]
    assert trip.batches == [[0], [4], [5]]


async def test_more_than_the_limit_is_refused_at_once() -> None:
    trip = Trip()
    async with batcher(trip, limit=2) as batches:
        on_its_way = batches.call(0)
        await trip.has_left()
        waiting = [batches.call(1), batches.call(2)]
        with pytest.raises(PublisherBusy):
            batches.call(3)
        assert repr(batches).startswith("<Batcher waiting=2 ")
        trip.comes_back(2)
        assert await asyncio.gather(on_its_way, *waiting) == [0, 10, 20]
    assert trip.batches == [[0], [1, 2]]


async def test_closing_sends_what_waits_and_refuses_more() -> None:
    trip = Trip()
    batches = batcher(trip, size=1)
    async with batches:
        calls = [batches.call(1), batches.call(2)]
        trip.comes_back(2)
    assert await asyncio.gather(*calls) == [10, 20]
    with pytest.raises(ClientClosed, match="open another"):
        batches.call(3)


async def test_closing_what_was_never_used_needs_no_trip() -> None:
    trip = Trip()
    async with batcher(trip):
        pass
    assert trip.batches == []


class Silent(Trip):
    """A flush of which nothing is heard in time."""

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        await super().__call__(items)
        raise BrokerUnavailable("nothing came") from TimeoutError()


async def test_what_has_waited_while_a_batch_was_not_answered_is_refused_with_it_and_what_came_later_is_sent() -> None:
    trip = Silent()
    async with batcher(trip, size=2) as batches:
        calls = [batches.call(item) for item in range(5)]
        await trip.has_left()
        later = batches.call(5)
        trip.comes_back(2)
        told = await asyncio.gather(*calls, later, return_exceptions=True)
    assert [one.undone for one in told if isinstance(one, BrokerUnavailable)] == [False] * 2 + [True] * 3 + [False]
    assert trip.batches == [[0, 1], [5]]
