import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial

import pytest

from bridge.errors import BrokerUnavailable, CallsBrokeOff, DuplicateTask, InvalidMessage
from bridge.protocol.route import Route
from bridge.submit.acceptance import Outcome
from bridge.submit.bulk import submit_all
from bridge.submit.entry import Entry, Kind

ROUTE = Route(queue="celery")


async def ready(item: str) -> Entry:
    if item == "bad":
        raise InvalidMessage("/args", "is bad")
    return Entry(item, "n", Kind(ROUTE, task="proj.add"))


class Server:
    """Accepts what it is sent, when it is told to; `taken` says what."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.open = asyncio.Event()
        self.busy = asyncio.Event()
        """A batch is on its way."""
        self.away = False
        self.on_its_way = self.most_on_their_way = 0

    def prepare(self, entries: Sequence[Entry]) -> Callable[[], Awaitable[list[Outcome]]]:
        return partial(self.accept, entries)

    async def accept(self, entries: Sequence[Entry]) -> list[Outcome]:
        self.taken.append([entry.task_id for entry in entries])
        self.on_its_way += 1
        self.most_on_their_way = max(self.most_on_their_way, self.on_its_way)
        self.busy.set()
        await self.open.wait()
        self.on_its_way -= 1
        if self.away:
            raise BrokerUnavailable("gone")
        return [DuplicateTask("twice") if entry.task_id == "twice" else entry.task_id for entry in entries]


@pytest.fixture
def server() -> Server:
    return Server()


async def test_outcomes_are_in_the_order_of_the_items_and_nobody_is_kept_back(server: Server) -> None:
    server.open.set()

    outcomes = await submit_all(["a", "bad", "twice", "b"], ready, server.prepare, size=3)

    assert [one if isinstance(one, str) else type(one) for one in outcomes] == ["a", InvalidMessage, DuplicateTask, "b"]
    assert server.taken == [["a", "twice"], ["b"]]


async def test_items_may_come_as_they_are_made(server: Server) -> None:
    server.open.set()

    async def made() -> AsyncIterator[str]:
        for name in "abcde":
            yield name

    assert await submit_all(made(), ready, server.prepare, size=2) == list("abcde")
    assert server.taken == [["a", "b"], ["c", "d"], ["e"]]


async def test_no_more_is_taken_from_the_items_than_is_on_its_way_and_next_in_line(server: Server) -> None:
    pulled: list[int] = []

    def endless() -> Iterator[str]:
        while True:
            pulled.append(1)
            yield "a"

    submitting = asyncio.create_task(submit_all(endless(), ready, server.prepare, size=10))
    async with asyncio.timeout(5):
        await server.busy.wait()
    assert len(pulled) <= 20

    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert server.most_on_their_way == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "submit many"]


async def test_what_is_on_its_way_ends_when_the_caller_gives_up_while_there_are_no_items(server: Server) -> None:
    async def slow() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    submitting = asyncio.create_task(submit_all(slow(), ready, server.prepare, size=1))
    async with asyncio.timeout(5):
        await server.busy.wait()
    submitting.cancel()
    done, _ = await asyncio.wait([submitting], timeout=5)
    assert submitting in done
    assert submitting.cancelled()


async def test_once_the_server_is_away_it_is_not_asked_again(server: Server) -> None:
    server.away = True
    server.open.set()

    outcomes = await submit_all(["a", "a", "bad"] + ["a"] * 7, ready, server.prepare, size=2)

    assert [type(one) for one in outcomes] == [BrokerUnavailable] * 2 + [InvalidMessage] + [BrokerUnavailable] * 7
    lost = [one for one in outcomes if isinstance(one, BrokerUnavailable)]
    assert [(one.task_id, one.undone) for one in lost] == [("a", False)] * 2 + [(None, True)] * 7
    assert server.taken == [["a", "a"]]


@pytest.mark.parametrize("twice", [0, 1, 5])
async def test_after_an_error_to_stop_at_nothing_more_is_taken_or_sent(server: Server, twice: int) -> None:
    server.open.set()
    items = ["a"] * 6
    items[twice] = "twice"
    rest = iter(items)

    with pytest.raises(DuplicateTask):
        await submit_all(rest, ready, server.prepare, size=2, stop_at=DuplicateTask)

    assert sum(map(len, server.taken)) == (2 if twice < 2 else 6)
    assert len(list(rest)) == (2 if twice < 2 else 0)


async def test_nothing_is_sent_of_a_batch_that_is_bad_throughout(server: Server) -> None:
    outcomes = await submit_all(["bad", "bad"], ready, server.prepare, size=2)
    assert [type(one) for one in outcomes] == [InvalidMessage] * 2
    assert server.taken == []


async def test_a_mistake_of_the_program_ends_it_and_leaves_nothing_behind(server: Server) -> None:
    async def broken(item: str) -> Entry:
        raise TypeError("no call")

    with pytest.raises(TypeError, match="no call"):
        await submit_all("abcd", broken, server.prepare, size=1)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "submit many"]


def broken_off(items: str, error: Exception) -> Iterator[str]:
    yield from items
    raise error


async def test_items_that_break_off_do_not_lose_the_outcomes_before_them(server: Server) -> None:
    submitting = asyncio.create_task(
        submit_all(broken_off("abcde", RuntimeError("lost")), ready, server.prepare, size=2)
    )
    async with asyncio.timeout(5):
        await server.busy.wait()
        server.open.set()
        with pytest.raises(CallsBrokeOff, match="after 4, of which 0 were not accepted") as raised:
            await submitting

    assert server.taken == [["a", "b"], ["c", "d"]]
    assert (raised.value.outcomes, raised.value.errors) == (["a", "b", "c", "d"], {})
    assert repr(raised.value.__cause__) == "RuntimeError('lost')"


async def test_items_that_break_off_before_any_was_sent_say_so_by_themselves(server: Server) -> None:
    with pytest.raises(RuntimeError, match="lost"):
        await submit_all(broken_off("a", RuntimeError("lost")), ready, server.prepare, size=2)
    assert server.taken == []


async def test_items_may_say_themselves_that_it_is_to_stop(server: Server) -> None:
    server.open.set()
    with pytest.raises(DuplicateTask):
        await submit_all(broken_off("abc", DuplicateTask("b1")), ready, server.prepare, size=1, stop_at=DuplicateTask)
    assert server.taken == [["a"], ["b"], ["c"]]
