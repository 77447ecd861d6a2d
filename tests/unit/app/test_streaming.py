"""What one stream says, byte by byte. How it is let go of is in `test_stream_release.py`."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app import sse
from app.deps import Edge
from app.streaming import JITTER, TaskStream
from tests.unit.app.edge import ToldClient, ToldHistory, edge_on, requests_to
from tests.unit.bridge.updates import TASK_ID, last_update, update

PATH = f"/v1/tasks/{TASK_ID}/events"
RETRY = sse.retry(2_000)
TWO_OF_THREE = [update(1), update(2)]


async def begun(edge: Edge, after: int = 0) -> AsyncIterator[bytes]:
    """The pieces of a stream that has something to tell."""
    stream = TaskStream(edge, TASK_ID, after)
    assert await stream.begin()
    return stream.chunks()


async def rest(chunks: AsyncIterator[bytes]) -> list[bytes]:
    async with asyncio.timeout(5):
        return [chunk async for chunk in chunks]


def told(*seqs: int) -> bytes:
    """The bytes of these updates of a task of three, of which the last is its end."""
    return b"".join(sse.update(last_update(3) if seq == 3 else update(seq)) for seq in seqs)


async def test_what_was_missed_comes_at_once_and_in_one_piece() -> None:
    chunks = await begun(edge_on(ToldClient(ToldHistory(*TWO_OF_THREE))))
    assert await anext(chunks) == RETRY + told(1, 2)


async def test_a_client_that_missed_nothing_is_answered_at_once_too() -> None:
    chunks = await begun(edge_on(ToldClient(ToldHistory(*TWO_OF_THREE))), after=2)
    assert await anext(chunks) == RETRY


async def test_each_update_is_told_as_it_comes_and_the_last_one_ends_the_stream() -> None:
    client = ToldClient(ToldHistory(update(1)))
    chunks = await begun(edge_on(client))
    assert await anext(chunks) == RETRY + told(1)
    asyncio.get_running_loop().call_soon(client.subscribers[0].put, update(2))
    assert await anext(chunks) == told(2)
    client.subscribers[0].put(last_update(3))
    assert await rest(chunks) == [told(3)]


async def test_updates_that_gather_are_told_in_one_piece() -> None:
    client = ToldClient(ToldHistory(update(1)))
    chunks = await begun(edge_on(client))
    await anext(chunks)
    client.subscribers[0].put(update(2))
    client.subscribers[0].put(last_update(3))
    assert await rest(chunks) == [told(2, 3)]


async def test_silence_is_broken_by_a_comment() -> None:
    client = ToldClient(ToldHistory(update(1)))
    chunks = await begun(edge_on(client, keep_alive=0.001))
    await anext(chunks)
    assert [await anext(chunks), await anext(chunks)] == [sse.KEEP_ALIVE] * 2


def is_goodbye(chunk: bytes, wait: int) -> bool:
    retry, event, data = chunk.removesuffix(b"\n\n").split(b"\n")
    assert (event, data) == (b"event: closing", b'data: {"reason":"shutdown"}')
    return JITTER[0] * wait <= int(retry.removeprefix(b"retry: ")) + 1 <= JITTER[1] * wait + 1


async def test_a_stream_that_waits_says_goodbye_when_the_server_stops() -> None:
    client = ToldClient(ToldHistory(update(1)))
    edge = edge_on(client, reconnect_ms=1_000)
    chunks = await begun(edge)
    await anext(chunks)

    def stop() -> None:
        edge.streams.closing = True
        client.wake_followers()

    asyncio.get_running_loop().call_soon(stop)
    *comments, goodbye = await rest(chunks)
    assert set(comments) <= {sse.KEEP_ALIVE}
    assert is_goodbye(goodbye, wait=1_000)


async def test_a_stream_that_is_just_writing_says_goodbye_too_when_the_server_stops() -> None:
    edge = edge_on(ToldClient(ToldHistory(update(1))))
    chunks = await begun(edge)
    await anext(chunks)
    edge.streams.closing = True
    (goodbye,) = await rest(chunks)
    assert is_goodbye(goodbye, wait=2_000)


async def test_a_client_that_comes_while_the_server_stops_gets_what_it_missed_and_a_goodbye() -> None:
    edge = edge_on(ToldClient(ToldHistory(update(1))))
    edge.streams.closing = True
    missed, goodbye = await rest(await begun(edge))
    assert missed == RETRY + told(1)
    assert is_goodbye(goodbye, wait=2_000)


async def test_a_stream_at_its_end_needs_no_goodbye() -> None:
    edge = edge_on(ToldClient(ToldHistory(*TWO_OF_THREE, last_update(3))))
    edge.streams.closing = True
    assert await rest(await begun(edge)) == [RETRY + told(1, 2, 3)]


async def test_updates_that_are_not_kept_are_told_as_the_whole_task() -> None:
    chunks = await begun(edge_on(ToldClient(ToldHistory(*TWO_OF_THREE, last_update(3), dropped=2))))
    (chunk,) = await rest(chunks)
    number, event, data = chunk.removeprefix(RETRY).removesuffix(told(3)).strip().split(b"\n")
    assert (number, event) == (b"id: 2", b"event: reset")
    assert json.loads(data.removeprefix(b"data: "))["links"]["events"] == PATH


async def answered(app: FastAPI, history: ToldHistory, path: str = PATH, **headers: str) -> httpx.Response:
    async with requests_to(app, edge_on(ToldClient(history))) as http:
        return await http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_a_whole_stream_is_answered_as_one(app: FastAPI) -> None:
    answer = await answered(app, ToldHistory(*TWO_OF_THREE, last_update(3)))
    assert (answer.status_code, answer.content) == (200, RETRY + told(1, 2, 3))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")


@pytest.mark.parametrize(
    ("query", "last_event_id", "seqs"),
    [("", "1", [2, 3]), ("?after=2", None, [3]), ("?after=1", "2", [3]), ("?after=2", "", [3]), ("", "0", [1, 2, 3])],
)
async def test_a_client_that_comes_back_gets_exactly_what_it_missed(
    app: FastAPI, query: str, last_event_id: str | None, seqs: list[int]
) -> None:
    headers = {} if last_event_id is None else {"Last_Event_ID": last_event_id}
    answer = await answered(app, ToldHistory(*TWO_OF_THREE, last_update(3)), PATH + query, **headers)
    assert answer.content == RETRY + told(*seqs)
