"""A connection breaks; the client comes back, and has every update once."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

import pytest

from app.cli.following.api_client import task_path
from app.cli.following.sse_client import EventParser
from app.cli.following.updates import Update
from tests.acceptance.api import NO_CONTENT, Api, assert_complete, numbers
from tests.acceptance.installation import Installation
from tests.acceptance.pace import Pace
from tests.acceptance.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="package")
STEPS = 6
KEEP_ALIVE = 0.2
FLOOD, FLOOD_BYTES = 300, 50_000
"""Updates, and the size of each: much more than the system holds for a connection that is not read."""


async def test_a_client_that_is_dropped_after_each_update_of_a_running_task_has_each_of_them_once(
    api: Api, shared: Installation
) -> None:
    task_id = await api.submit("stock.paced", STEPS, queue="stock")
    pace, updates = Pace.of(shared, task_id), [await _one_after(api, task_id, 0)]
    while not updates[-1].final:
        if updates[-1].name in ("running", "progress", "received"):
            await pace.step()
        updates.append(await _one_after(api, task_id, len(updates)))
    assert_complete(updates)
    assert [update.progress[0] for update in updates if update.progress] == list(range(1, STEPS + 1))


async def _one_after(api: Api, task_id: str, position: int) -> Update:
    async with api.stream(task_id, last_event_id=position) as stream:
        return await stream.next()


async def test_a_client_that_returns_from_any_position_gets_exactly_what_it_missed(api: Api) -> None:
    task_id = await api.submit("workers.tasks.flaky", 1)
    whole = await api.follow(task_id)
    assert_complete(whole)
    for position in range(len(whole)):
        async with api.stream(task_id, last_event_id=position) as by_header:
            assert await by_header.rest() == whole[position:]
        async with api.stream(task_id, after=position) as by_query:
            assert await by_query.rest() == whole[position:]
        assert [update["seq"] for update in await api.history(task_id, position)] == numbers(whole[position:])


async def test_a_client_that_has_seen_the_end_is_told_not_to_come_back(api: Api) -> None:
    task_id = await api.submit("stock.add", 1, 2, queue="stock")
    updates = await api.follow(task_id)
    assert await api.answers_at_the_end(task_id, len(updates)) == NO_CONTENT


async def test_the_header_counts_where_a_client_names_its_position_twice(api: Api) -> None:
    task_id = await api.submit("stock.add", 1, 2, queue="stock")
    whole = await api.follow(task_id)
    async with api.stream(task_id, last_event_id=1, after=len(whole)) as stream:
        assert await stream.rest() == whole[1:]


async def test_when_a_replica_is_killed_in_mid_stream_its_client_resumes_at_another_without_gap_or_double(
    api: Api, shared: Installation
) -> None:
    task_id = await api.submit("stock.paced", STEPS, queue="stock")
    pace = Pace.of(shared, task_id)
    async with shared.api() as doomed, doomed.stream(task_id) as stream:
        await pace.runs()
        await pace.step(2)
        seen = [*await stream.until("progress"), *await stream.until("progress")]
        await doomed.child.kill()
        seen += await stream.to_the_break()
        assert not seen[-1].final
    await pace.step(STEPS - 2)
    async with api.stream(task_id, last_event_id=seen[-1].seq) as stream:
        assert_complete([*seen, *await stream.rest()])


async def test_a_replica_that_stops_says_so_to_its_clients_and_they_resume_at_another(
    api: Api, shared: Installation
) -> None:
    task_id = await api.submit("stock.paced", STEPS, queue="stock")
    pace = Pace.of(shared, task_id)
    async with shared.api() as leaving, leaving.stream(task_id) as stream:
        await pace.runs()
        await pace.step()
        seen = await stream.until("progress")
        leaving.child.send_signal(signal.SIGTERM)
        *more, closing = await stream.rest()
        assert (closing.name, closing.seq) == ("closing", None)
        await leaving.child.wait()
    await pace.step(STEPS - 1)
    seen += more
    async with api.stream(task_id, last_event_id=seen[-1].seq) as stream:
        assert_complete([*seen, *await stream.rest()])


async def test_silence_is_broken_by_comments_within_the_time_that_was_set(shared: Installation) -> None:
    async with shared.api(PETIOLE_KEEP_ALIVE=str(KEEP_ALIVE)) as quiet:
        task_id = await quiet.submit("stock.add", 1, 1, queue="nobody-listens")
        async with quiet.http.stream("GET", f"/v1/tasks/{task_id}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            chunks = answer.aiter_bytes()
            assert (await anext(chunks)).startswith(b"retry: 2000\n\nid: 1\nevent: submitted\n")
            async with asyncio.timeout(KEEP_ALIVE * 10):
                assert [await anext(chunks) for _ in range(3)] == [b": keep-alive\n\n"] * 3
        await quiet.cancel(task_id)


async def test_a_reader_that_is_too_slow_is_dropped_and_resumes_where_it_was(
    api: Api, shared: Installation, lifetimes: AsyncExitStack
) -> None:
    bounded = await lifetimes.enter_async_context(shared.api(PETIOLE_STREAM_BUFFER="8"))
    task_id = await api.submit("stock.flood", FLOOD, FLOOD_BYTES, queue="stock", countdown=0.3)
    sleepy = await lifetimes.enter_async_context(SleepyReader.of(bounded, task_id))
    whole = await api.follow(task_id)
    assert_complete(whole)
    seen = await sleepy.wakes_up()
    assert seen == whole[: len(seen)]
    assert len(seen) < len(whole)
    async with bounded.stream(task_id, last_event_id=len(seen)) as stream:
        assert [*seen, *await stream.rest()] == whole


class SleepyReader:
    """Opens a stream and then does not read it, with as little room for what arrives as the system allows."""

    ROOM = 4_096

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def of(cls, api: Api, task_id: str) -> AsyncIterator[Self]:
        address = urlsplit(str(api.http.base_url))
        request = f"GET {task_path(task_id)}/events HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n"
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, cls.ROOM)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (address.hostname, address.port))
            await loop.sock_sendall(connection, request.encode())
            yield cls(connection)

    async def wakes_up(self) -> list[Update]:
        """Read to the end of the connection; the updates that came whole."""
        parser, updates = EventParser(), list[Update]()
        async with asyncio.timeout(DEADLINE):
            while chunk := await asyncio.get_running_loop().sock_recv(self._connection, 65_536):
                updates += map(Update.of, parser.feed(chunk.rpartition(b"\r\n\r\n")[2]))
        return updates
