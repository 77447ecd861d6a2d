"""Stream tokens: they open streams, and nothing but what was asked for."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.routing import Route

from app.auth import Caller
from app.deps import Edge
from app.guard import guarded
from bridge.access.api_keys import Scope
from tests.clocks import Clock
from tests.unit.app.edge import ToldClient, ToldHistory, edge_on, requests_to
from tests.unit.app.entering import ToldKeys, guarded_edge, key_id, shown
from tests.unit.bridge.updates import TASK_ID, update

STREAM = f"/v1/tasks/{TASK_ID}/events"


def ended() -> ToldClient:
    return ToldClient(ToldHistory(update(1), update(2, status="succeeded", final=True)))


@pytest.fixture
def keys() -> ToldKeys:
    told = ToldKeys()
    told.add(Scope.READ)
    return told


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def edge(keys: ToldKeys, clock: Clock) -> Edge:
    return guarded_edge(keys, clock=clock, client=ended())


async def token(http: httpx.AsyncClient, **asked: Any) -> str:
    answer = await http.post("/v1/stream-tokens", json=asked, headers=shown())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def test_a_token_opens_the_stream_of_its_task_without_a_key(app: FastAPI, edge: Edge) -> None:
    async with requests_to(app, edge) as http:
        answer = await http.get(STREAM, params={"token": await token(http, task=[TASK_ID])})
        assert (answer.status_code, answer.text.count("id: ")) == (200, 2)
        later = await http.get(STREAM, params={"after": 1, "token": await token(http, task=[TASK_ID])})
        assert (later.status_code, later.text.count("id: ")) == (200, 1)


@pytest.mark.parametrize("asked", [{"task": ["another"]}, {"tag": ["x"]}])
async def test_a_task_that_it_does_not_select_does_not_exist_for_it(
    app: FastAPI, edge: Edge, asked: dict[str, list[str]]
) -> None:
    async with requests_to(app, edge) as http:
        answer = await http.get(STREAM, params={"token": await token(http, **asked)})
    assert (answer.status_code, answer.json()["type"]) == (404, "task-not-found")


async def test_a_token_for_everything_of_an_owner_opens_every_stream(app: FastAPI, edge: Edge) -> None:
    async with requests_to(app, edge) as http:
        assert (await http.get(STREAM, params={"token": await token(http)})).status_code == 200


async def test_a_token_opens_nothing_but_streams(app: FastAPI, edge: Edge) -> None:
    async with requests_to(app, edge) as http:
        for path in (f"/v1/tasks/{TASK_ID}", f"/v1/tasks/{TASK_ID}/history", "/v1/queues"):
            assert (await http.get(path, params={"token": await token(http)})).status_code == 401


async def test_a_token_dies_at_its_time(app: FastAPI, edge: Edge, clock: Clock) -> None:
    async with requests_to(app, edge) as http:
        made = await token(http, task=[TASK_ID], ttl=60)
        clock.now += 59
        assert (await http.get(STREAM, params={"token": made})).status_code == 200
        clock.now += 1
        answer = await http.get(STREAM, params={"token": made})
    assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")
    assert made not in answer.text


async def test_a_token_dies_with_its_key(app: FastAPI, edge: Edge, keys: ToldKeys) -> None:
    async with requests_to(app, edge) as http:
        made = await token(http, task=[TASK_ID])
        del keys.kept[key_id(1)]
        assert (await http.get(STREAM, params={"token": made})).status_code == 401


@pytest.mark.parametrize("change", [{"owner": "other"}, {"scopes": [Scope.SUBMIT]}], ids=["owner", "scope"])
async def test_a_token_is_worth_no_more_than_its_key(
    app: FastAPI, edge: Edge, keys: ToldKeys, change: dict[str, Any]
) -> None:
    async with requests_to(app, edge) as http:
        made = await token(http, task=[TASK_ID])
        scopes = change.pop("scopes", [Scope.READ])
        keys.add(*scopes, **change)
        assert (await http.get(STREAM, params={"token": made})).status_code == 401


@pytest.mark.parametrize("forged", ["", "x", "a.b", "é", "%00"])
async def test_what_is_no_token_opens_nothing_even_beside_a_key(app: FastAPI, edge: Edge, forged: str) -> None:
    async with requests_to(app, edge) as http:
        answer = await http.get(STREAM, params={"token": forged}, headers=shown())
    assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")


async def test_a_long_life_is_cut(app: FastAPI, keys: ToldKeys, clock: Clock) -> None:
    clock.now = 0
    edge = guarded_edge(keys, clock=clock)
    async with requests_to(app, edge) as http:
        answer = await http.post("/v1/stream-tokens", json={"ttl": 999_999}, headers=shown())
    assert answer.json()["expires_at"] == "1970-01-01T01:00:00.000Z"


@pytest.mark.parametrize("asked", [{"task": [""]}, {"task": "a"}, {"ttl": 0}, {"owner": ["x"]}, {"tag": ["x"] * 101}])
async def test_a_request_that_makes_no_sense_is_refused(app: FastAPI, edge: Edge, asked: dict[str, Any]) -> None:
    async with requests_to(app, edge) as http:
        answer = await http.post("/v1/stream-tokens", json=asked, headers=shown())
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")


async def test_a_token_that_would_not_fit_into_an_address_is_refused(app: FastAPI, edge: Edge) -> None:
    async with requests_to(app, edge) as http:
        answer = await http.post("/v1/stream-tokens", json={"task": ["x" * 255] * 20}, headers=shown())
    assert answer.status_code == 422
    assert "tag or a batch" in answer.json()["detail"]


async def test_without_keys_tokens_work_as_well(app: FastAPI) -> None:
    async with requests_to(app, edge_on(ended())) as http:
        assert (await http.get(STREAM, params={"token": await token(http, task=[TASK_ID])})).status_code == 200
        assert (await http.get(STREAM, params={"token": "x"})).status_code == 401


async def test_a_stream_of_many_tasks_is_asked_for_what_the_token_selects_and_nothing_else(
    app: FastAPI, edge: Edge
) -> None:
    async def read_query(request: Request) -> Response:
        return Response(f"{request.url.query} {request.state.caller}")

    async with requests_to(app, edge) as http:
        made = await token(http, task=["a", "b&tag=c"], tag=["x"])
    async with requests_to(FastAPI(routes=[guarded(Route("/v1/events", read_query))]), edge) as http:
        answer = await http.get(f"/v1/events?queue=q&task=other&after=7-0&token={made}")
    reader = Caller(owner="acme", scopes=frozenset({Scope.READ}), key_id=key_id(1))
    assert answer.text == f"task=a&task=b%26tag%3Dc&tag=x&after=7-0 {reader}"
