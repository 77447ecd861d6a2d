"""Requests that wait: `?wait=`, `If-None-Match`, `Prefer: wait`, and a submit that answers its stream."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bridge import TaskRecord
from bridge.errors import BrokerUnavailable
from bridge.protocol.state import Status
from tests.unit.app.edge import ToldClient, ToldHistory, asked, edge_on, record, requests_to
from tests.unit.app.submits import SUBMITS, told
from tests.unit.bridge.updates import TASK_ID, last_update, update

PATH = f"/v1/tasks/{TASK_ID}"
RUNS = record(seq=1)
ENDED = record(seq=2, status=Status.SUCCEEDED, celery_state="SUCCESS", last=last_update(2))
DEADLINE = 5


def waiting_client() -> ToldClient:
    """A client of a task that has started."""
    return ToldClient(ToldHistory(update(1)), record=RUNS)


async def when_it_waits(client: ToldClient, request: Awaitable[httpx.Response]) -> "asyncio.Future[httpx.Response]":
    """The request under way, once it follows the task."""
    asking = asyncio.ensure_future(request)
    async with asyncio.timeout(DEADLINE):
        await client.begun.get()
    return asking


def ends(client: ToldClient, record: TaskRecord = ENDED) -> None:
    """The task ends."""
    client.told["record"] = record
    client.updates.updates.append(last_update(2))
    for subscriber in client.subscribers:
        subscriber.put(last_update(2))


@pytest.mark.parametrize("path", [PATH, f"{PATH}/result"])
async def test_a_request_that_waits_is_answered_when_the_task_ends(app: FastAPI, path: str) -> None:
    client = waiting_client()
    async with requests_to(app, edge_on(client)) as http:
        asking = await when_it_waits(client, http.get(path, params={"wait": 60}))
        assert not asking.done()
        ends(client)
        answer = await asking
    assert (answer.status_code, answer.json()["status"], client.subscribers) == (200, "succeeded", [])


async def test_a_request_that_waits_is_answered_by_any_news_but_one_for_the_result_only_by_the_end(
    app: FastAPI,
) -> None:
    client = waiting_client()
    async with requests_to(app, edge_on(client)) as http:
        task = await when_it_waits(client, http.get(PATH, params={"wait": 60}))
        result = await when_it_waits(client, http.get(f"{PATH}/result", params={"wait": 60}))
        client.told["record"] = record(seq=2)
        client.updates.updates.append(update(2))
        for subscriber in client.subscribers:
            subscriber.put(update(2))
        assert (await task).json()["seq"] == 2
        assert not result.done()
        result.cancel()


@pytest.mark.parametrize(("path", "status"), [(PATH, 200), (f"{PATH}/result", 202)])
async def test_a_request_that_waits_in_vain_is_answered_with_the_task_as_it_is(
    app: FastAPI, path: str, status: int
) -> None:
    answer = await asked(app, waiting_client(), "GET", path, params={"wait": 0.01})
    assert (answer.status_code, answer.json()["status"]) == (status, "running")


@pytest.mark.parametrize("wait", ["60.5", "4000", "86400"])
async def test_the_server_has_a_limit_of_its_own_to_which_a_longer_wait_is_cut(app: FastAPI, wait: str) -> None:
    async with asyncio.timeout(DEADLINE), requests_to(app, edge_on(waiting_client(), max_wait=0.01)) as http:
        assert (await http.get(PATH, params={"wait": wait})).json()["status"] == "running"


async def test_who_waits_is_answered_when_the_server_stops(app: FastAPI) -> None:
    client = waiting_client()
    edge = edge_on(client)
    async with requests_to(app, edge) as http:
        asking = await when_it_waits(client, http.get(PATH, params={"wait": 60}))
        edge.streams.closing = True
        client.wake_followers()
        async with asyncio.timeout(DEADLINE):
            assert (await asking).status_code == 200


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", "inf", "1e9"])
async def test_what_is_no_time_to_wait_is_refused(app: FastAPI, wait: str) -> None:
    answer = await asked(app, waiting_client(), "GET", PATH, params={"wait": wait})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/wait")


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', "*"])
async def test_a_task_that_is_as_it_was_is_not_told_again(app: FastAPI, known: str) -> None:
    answer = await asked(app, waiting_client(), "GET", PATH, headers={"If-None-Match": known})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


@pytest.mark.parametrize("wait", ["0", "60"])
async def test_a_task_that_has_changed_is_told_at_once(app: FastAPI, wait: str) -> None:
    async with asyncio.timeout(DEADLINE):
        answer = await asked(
            app, waiting_client(), "GET", PATH, params={"wait": wait}, headers={"If-None-Match": '"0"'}
        )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')


async def test_a_request_to_cancel_is_a_change(app: FastAPI) -> None:
    client = ToldClient(ToldHistory(update(1)), record=record(seq=1, cancel_reason=""))
    answer = await asked(app, client, "GET", PATH, headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1-cancelling"')


async def submitted(app: FastAPI, client: ToldClient, path: str, body: Any, **headers: str) -> httpx.Response:
    return await asked(app, client, "POST", path, json=body, headers=headers)


def told_waiting() -> ToldClient:
    """A client of a task that has started, and of a task type."""
    return told(history=ToldHistory(update(1)), record=RUNS)


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_that_prefers_to_wait_is_answered_with_the_task_at_its_end(
    app: FastAPI, path: str, body: Any
) -> None:
    client = told_waiting()
    asking = await when_it_waits(client, submitted(app, client, path, body, Prefer="wait=60"))
    ends(client)
    answer = await asking
    assert (answer.status_code, answer.json()["result"], answer.json()["seq"]) == (200, 5, 2)
    assert (answer.headers["preference-applied"], answer.headers["location"]) == ("wait=60", PATH)
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_that_waited_in_vain_is_accepted_all_the_same(app: FastAPI, path: str, body: Any) -> None:
    answer = await submitted(app, told_waiting(), path, body, Prefer="wait=0")
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")
    assert (answer.json()["task_id"], answer.headers["retry-after"]) == (TASK_ID, "2")


async def test_the_first_contract_stays_as_it_is_for_a_wait_in_vain(app: FastAPI) -> None:
    answer = await submitted(app, told_waiting(), "/tasks/submit", {"data": "x"}, Prefer="wait=0")
    assert answer.json() == {"task_id": TASK_ID, "status": "submitted"}


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_says_how_long_it_would_have_waited_and_not_how_long_it_was_asked_to(
    app: FastAPI, path: str, body: Any
) -> None:
    client = told_waiting()
    client.told["record"] = ENDED
    client.updates.updates.append(last_update(2))
    async with requests_to(app, edge_on(client, max_wait=3)) as http:
        for prefer in ("wait=100", "wait=1234567", "wait=" + "9" * 30):
            answer = await http.post(path, json=body, headers={"Prefer": prefer})
            assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=3")


@pytest.mark.parametrize(("path", "body"), SUBMITS)
@pytest.mark.parametrize("headers", [{"Prefer": "wait=5"}, {"Accept": "text/event-stream"}])
async def test_a_task_that_was_accepted_is_told_though_redis_goes_away(
    app: FastAPI, path: str, body: Any, headers: dict[str, str]
) -> None:
    client = told_waiting()
    client.updates.fails = BrokerUnavailable("gone")
    answer = await submitted(app, client, path, body, **headers)
    assert (answer.status_code, answer.json()["task_id"], client.subscribers) == (202, TASK_ID, [])


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_may_be_answered_with_its_stream(app: FastAPI, path: str, body: Any) -> None:
    client = told(history=ToldHistory(update(1), last_update(2)))
    answer = await submitted(app, client, path, body, Accept="application/json;q=0.5, text/event-stream")
    events = [line for line in answer.text.splitlines() if line.startswith("id:")]
    assert (answer.status_code, events, answer.headers["location"]) == (202, ["id: 1", "id: 2"], PATH)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize(("path", "body"), SUBMITS)
async def test_a_submit_that_likes_json_better_is_answered_in_json(app: FastAPI, path: str, body: Any) -> None:
    accept = "application/json, text/event-stream;q=0.1"
    answer = await submitted(app, told_waiting(), path, body, Accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")


async def test_a_reader_that_likes_json_better_is_answered_in_json(app: FastAPI) -> None:
    client = ToldClient(ToldHistory(update(1)))
    accept = "application/json, text/event-stream;q=0.1"
    answer = await asked(app, client, "GET", f"{PATH}/events", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *SUBMITS,
        ("/v1/batches", {"items": [{"task": "a"}]}),
        ("/v1/workflows", {"chain": [{"task": "a"}, {"task": "b"}]}),
    ],
)
async def test_every_submit_says_where_its_task_is_and_when_to_look_again(app: FastAPI, path: str, body: Any) -> None:
    answer = await submitted(app, told(), path, body)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
    assert answer.headers["location"]
    assert answer.headers["link"].endswith('; rel="monitor"')
