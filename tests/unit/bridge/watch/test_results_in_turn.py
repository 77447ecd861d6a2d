import asyncio

from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.redis import Echo
from bridge.watch.results_in_turn import ResultsInTurn


def news(status: Status | None, task_id: str = "a1") -> News:
    return News(task_id=task_id, status=status, at_ms=0)


PROGRESS, RETRYING, DONE = news(None), news(Status.RETRYING), news(Status.SUCCEEDED)


async def test_progress_is_taken_at_once_and_the_end_of_an_attempt_in_its_turn() -> None:
    taken: list[News] = []

    async def take(one: News) -> None:
        taken.append(one)

    results = ResultsInTurn(Echo(), take)
    for one in (PROGRESS, RETRYING, PROGRESS, DONE, news(None, "a2")):
        await results.heard(one)
    assert taken == [PROGRESS, news(None, "a2")]

    await results.take_waiting()
    assert taken == [PROGRESS, news(None, "a2"), RETRYING, PROGRESS, DONE]

    await results.heard(PROGRESS)
    assert taken[-1] is PROGRESS


class Connection:
    """A subscription that answers pings when a test has it do so."""

    def __init__(self) -> None:
        self._pings: asyncio.Queue[bytes] = asyncio.Queue()

    async def ping(self, number: bytes) -> None:
        self._pings.put_nowait(number)

    async def answer(self, echo: Echo) -> None:
        async with asyncio.timeout(1):
            echo.heard({"data": await self._pings.get()})


async def test_an_end_waits_for_the_events_as_long_as_it_takes_and_all_that_is_taken_for_the_end() -> None:
    events, connection, taken = Echo(), Connection(), list[News]()
    events.begin(connection)

    async def take(one: News) -> None:
        taken.append(one)

    results = ResultsInTurn(events, take)
    await results.heard(DONE)
    taking = asyncio.create_task(results.take_waiting())
    all_taken = asyncio.create_task(results.all_taken())
    await results.heard(news(None, "a2"))
    assert (taken, all_taken.done()) == ([news(None, "a2")], False)

    await connection.answer(events)

    async with asyncio.timeout(1):
        await asyncio.gather(taking, all_taken)
    assert taken[-1] is DONE


async def test_when_too_many_wait_for_the_events_the_events_do_not_wait_for_them() -> None:
    connection = Connection()

    async def take(one: News) -> None:
        raise AssertionError(one)

    results = ResultsInTurn(Echo(), take, limit=1)
    results.echo.begin(connection)
    waiting = asyncio.create_task(results.all_heard())
    await results.heard(DONE)

    stuck = asyncio.create_task(results.heard(DONE))

    async with asyncio.timeout(1):
        await waiting
        await results.all_heard()
    assert not stuck.done()
    stuck.cancel()
