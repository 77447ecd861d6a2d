"""A stream holds a subscription and a place among the streams; it lets go of both however it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.deps import Edge
from app.streaming import TaskStream, UpdateStreamResponse
from bridge.errors import BrokerUnavailable
from tests.unit.app.browser import NEWER, UVICORN, Browser, scope
from tests.unit.app.edge import ToldClient, ToldHistory, edge_on, requests_to
from tests.unit.bridge.updates import TASK_ID, last_update, update

PATH = f"/v1/tasks/{TASK_ID}/events"


def held(edge: Edge, client: ToldClient) -> tuple[int, int]:
    """Streams that are counted, and subscriptions."""
    return edge.streams.open, len(client.subscribers)


@asynccontextmanager
async def following(app: FastAPI, edge: Edge, browser: Browser) -> AsyncIterator[asyncio.Task[None]]:
    """A request to follow the task, while it is answered."""
    app.state.edge = edge
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        yield tasks.create_task(app(scope(), browser.receive, browser.send))


@pytest.fixture
def client() -> ToldClient:
    return ToldClient(ToldHistory(update(1)))


@pytest.fixture
def edge(client: ToldClient) -> Edge:
    return edge_on(client, stream_buffer=8)


async def test_a_stream_is_counted_from_before_it_is_read_until_it_is_closed(edge: Edge, client: ToldClient) -> None:
    stream = TaskStream(edge, TASK_ID, 0)
    assert held(edge, client) == (1, 1)
    stream.close()
    stream.close()
    assert held(edge, client) == (0, 0)


async def test_a_client_that_leaves_before_the_first_byte_is_let_go(
    app: FastAPI, edge: Edge, client: ToldClient
) -> None:
    browser = Browser(reads=False)
    browser.leave()
    async with following(app, edge, browser):
        pass
    assert (browser.status, browser.body, held(edge, client)) == (0, b"", (0, 0))


async def test_a_client_that_leaves_in_the_middle_is_let_go(app: FastAPI, edge: Edge, client: ToldClient) -> None:
    seen: list[tuple[int, int]] = []

    def look_and_leave(_: bytes) -> None:
        seen.append(held(edge, client))
        browser.leave()

    browser = Browser(then=look_and_leave)
    async with following(app, edge, browser):
        pass
    assert (seen, held(edge, client)) == ([(1, 1)], (0, 0))


@pytest.mark.parametrize("piece", ["http.response.start", "http.response.body"])
async def test_a_client_that_can_be_sent_nothing_any_more_is_let_go(edge: Edge, client: ToldClient, piece: str) -> None:
    async def send(message: Message) -> None:
        if message["type"] == piece:
            raise OSError("the connection is closed")

    stream = TaskStream(edge, TASK_ID, 0)
    assert await stream.begin()
    with pytest.raises(ClientDisconnect):
        await UpdateStreamResponse(stream)(scope(NEWER), Browser().receive, send)
    assert held(edge, client) == (0, 0)


async def test_a_request_that_is_cancelled_is_let_go(app: FastAPI, edge: Edge, client: ToldClient) -> None:
    told = asyncio.Event()
    async with following(app, edge, Browser(then=lambda _: told.set())) as request:
        await told.wait()
        request.cancel()
    assert held(edge, client) == (0, 0)


async def test_a_client_that_reads_too_slowly_is_let_go_without_an_error(
    app: FastAPI, edge: Edge, client: ToldClient
) -> None:
    def flood(_: bytes) -> None:
        for seq in range(2, 11):
            client.subscribers[0].put(update(seq))

    browser = Browser(then=flood)
    async with following(app, edge, browser):
        pass
    assert (browser.status, len(browser.pieces), held(edge, client)) == (200, 1, (0, 0))


@pytest.mark.parametrize("version", [UVICORN, NEWER])
async def test_a_client_that_does_not_read_is_let_go_after_a_while(
    app: FastAPI, client: ToldClient, version: str
) -> None:
    edge = edge_on(client)
    stream = TaskStream(edge, TASK_ID, 0)
    stream.patience = 0.01
    assert await stream.begin()
    browser = Browser(reads=False)
    async with asyncio.timeout(5):
        await UpdateStreamResponse(stream)(scope(version), browser.receive, browser.send)
    assert (browser.body, held(edge, client)) == (b"", (0, 0))


async def test_a_task_whose_record_goes_in_the_middle_ends_its_stream_without_an_error(
    app: FastAPI, edge: Edge, client: ToldClient
) -> None:
    def forget(_: bytes) -> None:
        client.updates.updates.clear()
        client.subscribers[0].mark_stale()

    browser = Browser(then=forget)
    async with following(app, edge, browser):
        pass
    assert (browser.status, len(browser.pieces), held(edge, client)) == (200, 1, (0, 0))


async def test_an_error_in_the_middle_lets_go_of_the_stream(app: FastAPI, edge: Edge, client: ToldClient) -> None:
    def fail(_: bytes) -> None:
        client.updates.fails = RuntimeError("a mistake")
        client.subscribers[0].mark_stale()

    app.state.edge = edge
    browser = Browser(then=fail)
    with pytest.raises(RuntimeError, match="a mistake"):
        await app(scope(), browser.receive, browser.send)
    assert held(edge, client) == (0, 0)


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (ToldHistory(update(1), last_update(2)), 200),
        (ToldHistory(), 404),
    ],
)
async def test_a_request_that_is_answered_at_once_is_let_go(app: FastAPI, history: ToldHistory, status: int) -> None:
    client = ToldClient(history)
    edge = edge_on(client)
    async with requests_to(app, edge) as http:
        assert (await http.get(PATH)).status_code == status
    assert held(edge, client) == (0, 0)


async def test_a_client_that_has_everything_is_told_not_to_come_back(app: FastAPI) -> None:
    client = ToldClient(ToldHistory(update(1), last_update(2)))
    edge = edge_on(client)
    async with requests_to(app, edge) as http:
        answer = await http.get(PATH, headers={"Last-Event-ID": "2"})
    assert (answer.status_code, answer.content, held(edge, client)) == (204, b"", (0, 0))


@pytest.mark.parametrize(("error", "status"), [(BrokerUnavailable("refused"), 503), (RuntimeError("a mistake"), 500)])
async def test_an_error_before_the_stream_begins_is_a_problem_document(
    app: FastAPI, edge: Edge, client: ToldClient, error: Exception, status: int
) -> None:
    client.updates.fails = error
    async with requests_to(app, edge) as http:
        answer = await http.get(PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert held(edge, client) == (0, 0)


async def test_a_process_serves_as_many_streams_as_it_may_and_another_when_one_has_gone(
    app: FastAPI, client: ToldClient
) -> None:
    edge, told = edge_on(client, max_streams=1), asyncio.Event()
    browser = Browser(then=lambda _: told.set())
    async with requests_to(app, edge) as http:
        async with following(app, edge, browser):
            await told.wait()
            refused = await http.get(PATH)
            browser.leave()
        client.updates.updates.append(last_update(2))
        served = await http.get(PATH)
    assert (refused.status_code, refused.json()["type"]) == (503, "streams-saturated")
    assert (refused.headers["retry-after"], served.status_code) == ("1", 200)
