"""Requests are counted when their answer begins, by method, route and status."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.traffic import BOUNDS, NO_ROUTE, OTHER, Counted, Kind, Traffic

ROUTE = "/v1/tasks/{task_id}"


class Answers:
    """An application: the route that it finds, and what it sends. Raises at the end if it is told to."""

    def __init__(self, *sent: Message, route: str | None = ROUTE, fails: Exception | None = None) -> None:
        self.sent = sent
        self.route = route
        self.fails = fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.route:
            scope["route"] = SimpleNamespace(path=self.route)
        for message in self.sent:
            await send(message)
        if self.fails:
            raise self.fails


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def into_the_void(message: Message) -> None:
    """What a client gets."""


def start(status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": []}


BODY: Message = {"type": "http.response.body", "body": b"x"}


async def counted(app: Answers, *, method: str = "GET", times: Iterator[float] | None = None) -> Traffic:
    traffic = Traffic()
    clock = times or iter((10.0, 10.02))
    await Counted(app, traffic, lambda: next(clock))({"type": "http", "method": method}, nothing, into_the_void)
    return traffic


async def test_a_request_is_counted_once_by_its_route_and_the_time_until_its_answer_began() -> None:
    traffic = await counted(Answers(start(), BODY, BODY))
    assert list(traffic.tallies) == [Kind("GET", ROUTE, 200)]
    tally = traffic.tallies[Kind("GET", ROUTE, 200)]
    assert [bound for bound, count in zip(BOUNDS, tally.by_bound, strict=True) for _ in range(count)] == [0.025]
    assert tally.seconds == pytest.approx(0.02)


@pytest.mark.parametrize("seconds", [*BOUNDS[:-1], 3_600.0])
async def test_every_duration_has_its_place(seconds: float) -> None:
    traffic = await counted(Answers(start(), BODY), times=iter((0.0, seconds)))
    assert sum(traffic.tallies[Kind("GET", ROUTE, 200)].by_bound) == 1


async def test_what_a_client_invents_makes_no_new_kinds() -> None:
    traffic = await counted(Answers(start(404), BODY, route=None), method="BREW")
    assert list(traffic.tallies) == [Kind(OTHER, NO_ROUTE, 404)]


@pytest.mark.parametrize(("sent", "status"), [((), 500), ((start(), BODY), 200)])
async def test_an_error_that_nothing_answered_counts_as_500_unless_an_answer_had_begun(
    sent: tuple[Message, ...], status: int
) -> None:
    traffic = Traffic()
    app = Answers(*sent, fails=RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await Counted(app, traffic)({"type": "http", "method": "GET"}, nothing, into_the_void)
    assert list(traffic.tallies) == [Kind("GET", ROUTE, status)]


async def test_what_is_no_request_is_not_counted() -> None:
    traffic = Traffic()
    await Counted(Answers(route=None), traffic)({"type": "lifespan"}, nothing, into_the_void)
    assert traffic.tallies == {}
