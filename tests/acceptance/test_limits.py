"""Limits: what is full says so, and what has time waits."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from app.cli.ports import LOOPBACK
from tests.acceptance.api import Api, assert_complete, names
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import DEADLINE, until

pytestmark = pytest.mark.asyncio(loop_scope="package")
DEPTH = 3
NARROW = "narrow"


async def test_a_queue_that_is_too_deep_takes_no_more_and_says_when_to_come_back(shared: Installation) -> None:
    async with shared.api(PETIOLE_MAX_QUEUE_DEPTH=str(DEPTH)) as api:
        task_ids = [await api.submit("stock.add", 1, 1, queue=NARROW, priority=3 * n) for n in range(DEPTH)]
        answer = await api.http.post("/v1/tasks", json={"task": "stock.add", "options": {"queue": NARROW}})
        assert (answer.status_code, answer.json()["type"]) == (503, "queue-saturated")
        assert int(answer.headers["retry-after"]) > 0
        assert NARROW in answer.json()["detail"]
        await api.cancel(task_ids[0])
        task_ids[0] = await api.submit("stock.add", 1, 1, queue=NARROW)
        for task_id in task_ids:
            await api.cancel(task_id)


async def test_a_task_with_a_long_delay_is_held_back_from_the_workers_and_then_runs(shared: Installation) -> None:
    async with shared.api(PETIOLE_HOLD_AFTER="1") as api:
        task_id = await api.submit("stock.add", 1, 1, queue="stock", countdown=2)
        task = await api.task(task_id)
        assert (task["status"], bool(task["eta"])) == ("scheduled", True)
        assert (await api.http.get("/v1/queues")).json()["scheduled"] == 1
        updates = await api.follow(task_id)
    assert_complete(updates)
    assert names(updates)[:2] == ["submitted", "scheduled"]
    assert updates[-1].content["time"] >= str(task["eta"])[:19]


async def test_a_short_delay_is_left_to_the_worker(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.add", 1, 1, queue="stock", countdown=0.5))
    assert_complete(updates)
    assert names(updates)[:2] == ["submitted", "scheduled"]


async def test_a_replica_with_as_many_streams_as_it_may_have_sends_the_next_client_elsewhere(
    shared: Installation,
) -> None:
    async with shared.api(PETIOLE_MAX_STREAMS="1") as api:
        task_id = await api.submit("stock.add", 1, 1, queue=NARROW)
        async with api.stream(task_id) as first:
            await first.next()
            answer = await api.http.get(f"/v1/tasks/{task_id}/events")
            assert (answer.status_code, answer.json()["type"]) == (503, "streams-saturated")
            assert int(answer.headers["retry-after"]) > 0
        await api.cancel(task_id)


@contextmanager
def deaf_client(api: Api, task_id: str) -> Iterator[socket.socket]:
    """A connection that asks for a stream and does not read it, with little room for what is sent."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(DEADLINE)
        client.connect((LOOPBACK, api.http.base_url.port))
        client.sendall(f"GET /v1/tasks/{task_id}/events HTTP/1.1\r\nHost: petiole\r\n\r\n".encode())
        yield client


def read_to_the_end(client: socket.socket) -> bytes:
    """What was on its way when the connection was cut."""
    pieces = []
    try:
        while piece := client.recv(65_536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


async def test_a_client_that_does_not_read_is_cut_off_and_its_place_is_free_for_another(
    api: Api, shared: Installation
) -> None:
    task_id = await api.submit("stock.flood", 300, 60_000, queue="stock")
    await api.follow(task_id)
    async with shared.api(PETIOLE_MAX_STREAMS="1", PETIOLE_SEND_TIMEOUT="1") as replica:

        async def is_taken(*, taken: bool) -> bool:
            async with replica.http.stream("GET", f"/v1/tasks/{task_id}/events?after=302") as answer:
                return (answer.status_code == httpx.codes.SERVICE_UNAVAILABLE) is taken

        with deaf_client(replica, task_id) as client:
            assert await asyncio.to_thread(client.recv, 15, socket.MSG_PEEK) == b"HTTP/1.1 200 OK"
            assert await is_taken(taken=True)
            await until(lambda: is_taken(taken=False))
            received = await asyncio.to_thread(read_to_the_end, client)
    assert b"event: succeeded" not in received
