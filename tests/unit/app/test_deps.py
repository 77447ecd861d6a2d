import asyncio

import pytest
from fastapi import FastAPI

from app.deps import Edge, Streams
from tests.unit.app.edge import ToldClient, edge_on, record, requests_to


def test_streams_are_counted_while_they_last() -> None:
    streams = Streams(limit=2)
    with streams.one_more(), streams.one_more():
        assert streams.open == 2
    assert streams.open == 0


@pytest.mark.parametrize("end", [RuntimeError, asyncio.CancelledError, GeneratorExit])
def test_a_stream_that_breaks_off_is_not_counted_any_more(end: type[BaseException]) -> None:
    streams = Streams(limit=2)
    with pytest.raises(end), streams.one_more():
        raise end
    assert streams.open == 0


def test_a_server_that_starts_serves_no_stream_and_does_not_stop() -> None:
    streams = Streams(limit=2)
    assert (streams.open, streams.closing) == (0, False)


def test_an_edge_that_is_told_no_limit_serves_no_streams() -> None:
    client = ToldClient()
    assert Edge(settings=edge_on(client).settings, client=client).streams.limit == 0


async def test_a_request_is_served_by_the_edge_of_its_application(app: FastAPI) -> None:
    for name in ("first", "second"):
        async with requests_to(app, edge_on(ToldClient(record=record(task=name)))) as http:
            assert (await http.get("/v1/tasks/a1")).json()["task"] == name
