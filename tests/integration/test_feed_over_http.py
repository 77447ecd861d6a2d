"""`/v1/events`: the feed as a stream and as JSON, when tasks are named."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.feed_streaming import FeedStream
from app.main import create_app
from app.settings import Settings
from bridge import TaskClient
from bridge.follow.feed_entry import Selection
from bridge.protocol.compact import compact
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from tests.integration.submissions import DEADLINE
from tests.integration.telling import news
from tests.unit.app.edge import edge_on, requests_to

JSON, STREAM = "application/json", "text/event-stream"
BEYOND = "99999999999999-0"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings.load())


async def asked(app: FastAPI, client: TaskClient, accept: str, **params: Any) -> httpx.Response:
    async with asyncio.timeout(DEADLINE), requests_to(app, edge_on(client)) as http:
        return await http.get("/v1/events", params=params, headers={"Accept": accept})


async def told(app: FastAPI, client: TaskClient, **params: Any) -> dict[str, Any]:
    answer = await asked(app, client, JSON, **params)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def received(store: StatusStore, task_id: str, **facts: str) -> None:
    await store.advance([news(Status.RECEIVED, task_id=task_id, adopts=True, facts=facts)])


async def ends(store: StatusStore, task_id: str) -> None:
    await store.advance([news(Status.SUCCEEDED, task_id=task_id, details={"result": 5})])


@pytest.mark.parametrize("accept", [JSON, STREAM])
@pytest.mark.parametrize("after", [None, "0-0"])
async def test_a_task_that_nobody_knows_is_404_however_it_is_asked_for(
    app: FastAPI, client: TaskClient, store: StatusStore, accept: str, after: str | None
) -> None:
    await received(store, "a1", owner="acme")
    params = {"task": ["a1", "unknown"], **({"after": after} if after else {})}
    answer = await asked(app, client, accept, **params)
    assert (answer.status_code, answer.json()["type"]) == (404, "task-not-found")
    answer = await asked(app, client.as_owner("umbrella"), accept, **{**params, "task": ["a1"]})
    assert (answer.status_code, answer.json()["type"]) == (404, "task-not-found")


@pytest.mark.parametrize("after", [None, BEYOND])
async def test_who_begins_anew_is_told_the_tasks_that_are_named(
    app: FastAPI, client: TaskClient, store: StatusStore, after: str | None
) -> None:
    await received(store, "a1")
    place = {"after": after} if after else {}
    page = await told(app, client, task=["a1"], **place)
    assert (page["reset"], page["updates"]) == (True, [])
    assert [(task["task_id"], task["status"]) for task in page["tasks"]] == [("a1", "received")]
    page = await told(app, client, task=["a1"], after=page["cursor"])
    assert (page["reset"], "tasks" in page) == (False, False)
    page = await told(app, client, **place)
    assert (page["reset"], "tasks" in page) == (True, False)


async def test_the_end_of_a_task_that_is_named_ends_the_stream_though_the_rest_does_not_fit_it(
    client: TaskClient, store: StatusStore
) -> None:
    await received(store, "a1", tags=compact(["x"]))
    await received(store, "a2", tags=compact(["zzz"]))
    selection = Selection(task_ids={"a1", "a2"}, tags={"zzz"})
    stream = FeedStream(edge_on(client), selection, await client.feed.end())
    assert await stream.begin()
    await ends(store, "a2")
    await ends(store, "a1")
    async with asyncio.timeout(DEADLINE):
        text = b"".join([chunk async for chunk in stream.chunks()])
    stream.close()
    assert text.count(b"event: succeeded") == 1
    assert b'"task_id":"a2"' in text
    assert b"a1" not in text


async def test_who_comes_back_for_a_task_that_has_ended_and_does_not_fit_is_told_that_nothing_follows(
    app: FastAPI, client: TaskClient, store: StatusStore
) -> None:
    cursor = await client.feed.end()
    await received(store, "a1", tags=compact(["x"]))
    await ends(store, "a1")
    answer = await asked(app, client, STREAM, task="a1", tag="zzz", after=cursor)
    assert (answer.status_code, answer.headers["cache-control"]) == (204, "no-store")
    answer = await asked(app, client, STREAM, task="a1", tag="x", after=cursor)
    assert (answer.status_code, answer.text.count("event: succeeded")) == (200, 1)
