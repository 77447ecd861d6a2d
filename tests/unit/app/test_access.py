"""Who may call which route. A route that is not in the table is found by the first test here."""

from itertools import product
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from app import access
from app.guard import Guard
from app.rate_limit import Limiter
from bridge.access.api_keys import Scope
from bridge.access.rate_limits import Allowance
from tests.unit.app.edge import ToldClient, requests_to
from tests.unit.app.entering import ToldKeys, ToldRates, guarded_edge, shown
from tests.unit.app.submits import SUBMITS, told
from tests.unit.bridge.updates import TASK_ID

PARAMETERS = {"queue": "mail", "task_id": TASK_ID, "name": "reports.render"}


def routes(app: FastAPI) -> list[Route]:
    """Those that are not public."""
    return [route for route in app.routes if isinstance(route, Route) and route.path not in access.PUBLIC]


def test_every_route_has_its_scope_in_the_table_or_is_public(app: FastAPI) -> None:
    served = {(method, route.path) for route in routes(app) for method in route.methods or ()}
    assert served == access.NEEDED.keys()


def test_every_route_that_is_not_public_is_guarded(app: FastAPI) -> None:
    assert all(isinstance(route.app, Guard) for route in routes(app))
    assert not any(isinstance(route, Mount) and route.path not in access.PUBLIC for route in app.routes)


def test_what_is_public_is_there(app: FastAPI) -> None:
    assert {route.path for route in app.routes if isinstance(route, Route | Mount)} >= access.PUBLIC


def test_a_route_that_was_forgotten_is_for_admin_alone() -> None:
    assert access.needed("DELETE", "/v1/everything") is Scope.ADMIN


async def statuses(app: FastAPI, keys: ToldKeys, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    """What each route of the table answers."""
    edge = guarded_edge(keys)
    async with requests_to(app, edge) as http:
        return {
            (method, path): (await http.request(method, path.format(**PARAMETERS), headers=headers)).status_code
            for method, path in access.NEEDED
        }


async def test_without_a_key_every_route_answers_401(app: FastAPI) -> None:
    assert set((await statuses(app, ToldKeys(), {})).values()) == {401}


async def test_with_a_key_that_is_not_valid_every_route_answers_401(app: FastAPI) -> None:
    assert set((await statuses(app, ToldKeys(), shown())).values()) == {401}


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_key_opens_the_routes_of_its_scopes_and_no_other(app: FastAPI, scope: Scope) -> None:
    keys = ToldKeys()
    keys.add(scope)
    found = {where: status for where, status in (await statuses(app, keys, shown())).items() if status == 403}
    refused = {where for where, needed in access.NEEDED.items() if scope not in (needed, Scope.ADMIN)}
    assert found.keys() == refused


async def test_who_lacks_a_scope_is_told_which(app: FastAPI) -> None:
    keys = ToldKeys()
    keys.add(Scope.READ)
    async with requests_to(app, guarded_edge(keys)) as http:
        answer = await http.post("/tasks/submit", json={"data": "x"}, headers=shown())
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "submit" in answer.json()["detail"]
    assert answer.headers["www-authenticate"].endswith('scope="submit"')


async def test_what_is_public_asks_nobody(app: FastAPI) -> None:
    async with requests_to(app, guarded_edge(ToldKeys())) as http:
        for path in access.PUBLIC:
            assert (await http.get(path)).status_code != 401, path
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/static-offline-docs/swagger-ui.css")).status_code == 200


async def test_a_path_that_is_not_there_is_not_there_for_anybody(app: FastAPI) -> None:
    async with requests_to(app, guarded_edge(ToldKeys())) as http:
        assert (await http.get("/v1/nothing")).status_code == 404
        assert (await http.delete("/v1/tasks")).status_code == 405


async def test_answers_say_how_much_a_key_has_left_until_it_has_nothing(app: FastAPI) -> None:
    keys, rates = ToldKeys(), ToldRates(Allowance(True, 0, 1, 0), Allowance(False, 0, 1, 1))
    keys.add(Scope.READ)
    async with requests_to(app, guarded_edge(keys, Limiter(rates))) as http:
        passed = await http.get(f"/v1/tasks/{TASK_ID}", headers=shown())
        refused = await http.get(f"/v1/tasks/{TASK_ID}", headers=shown())
        public = await http.get("/healthz")
    assert (passed.status_code, passed.headers["ratelimit"]) == (200, '"requests";r=0;t=1')
    assert (refused.status_code, refused.json()["type"]) == (429, "rate-limited")
    assert (refused.headers["ratelimit"], refused.headers["retry-after"]) == ('"requests";r=0;t=1', "1")
    assert "ratelimit" not in public.headers
    assert len(set(rates.callers)) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/v1/tasks/{TASK_ID}/events", []),
        (f"/v1/tasks/{TASK_ID}?wait=5", []),
        (f"/v1/tasks/{TASK_ID}", [("Accept", "text/event-stream")]),
        (f"/v1/tasks/{TASK_ID}", [("Accept", "text/event-stream"), ("Accept", "*/*")]),
        (f"/v1/tasks/{TASK_ID}", [("Prefer", "wait=5")]),
    ],
)
async def test_a_request_that_may_stay_needs_a_place(app: FastAPI, path: str, headers: list[tuple[str, str]]) -> None:
    keys = ToldKeys()
    keys.add(Scope.READ)
    async with requests_to(app, guarded_edge(keys, Limiter(places=0))) as http:
        assert (await http.get(path, headers=[*shown().items(), *headers])).status_code == 429
        assert (await http.get(f"/v1/tasks/{TASK_ID}", headers=shown())).status_code == 200


async def test_a_refusal_counts_and_says_how_much_is_left(app: FastAPI) -> None:
    keys, rates = ToldKeys(), ToldRates(Allowance(True, 4, 1, 0), Allowance(True, 3, 1, 0), Allowance(False, 0, 1, 1))
    keys.add(Scope.SUBMIT)
    client = ToldClient()
    async with requests_to(app, guarded_edge(keys, Limiter(rates, places=0), client=client)) as http:
        lacks = await http.get(f"/v1/tasks/{TASK_ID}", headers=shown())
        keys.add(Scope.ADMIN, number=2)
        crowded = await http.get(f"/v1/tasks/{TASK_ID}/events", headers=shown(2))
        too_many = await http.get(f"/v1/tasks/{TASK_ID}", headers=shown())
        unknown = await http.get(f"/v1/tasks/{TASK_ID}")
    assert (lacks.status_code, lacks.json()["instance"]) == (403, f"/v1/tasks/{TASK_ID}")
    assert (lacks.headers["ratelimit"], lacks.headers["ratelimit-policy"]) == (
        '"requests";r=4;t=1',
        '"requests";q=5;w=3',
    )
    assert (crowded.status_code, crowded.headers["ratelimit"]) == (429, '"requests";r=3;t=1')
    assert (too_many.status_code, too_many.json()["type"]) == (429, "rate-limited")
    assert (unknown.status_code, "ratelimit" in unknown.headers) == (401, False)
    assert len(rates.callers) == 3


REPLAY = f"/v1/tasks/{TASK_ID}/replay"
WORKFLOW = {"chain": [{"task": "a"}, {"task": "b"}]}


@pytest.mark.parametrize(("path", "body"), [*SUBMITS, ("/v1/workflows", WORKFLOW), (REPLAY, {})])
@pytest.mark.parametrize("asks", [{"Prefer": "wait=5"}, {"Accept": "text/event-stream"}])
async def test_who_may_not_read_may_not_have_a_submit_wait_for_the_outcome_either(
    app: FastAPI, path: str, body: Any, asks: dict[str, str]
) -> None:
    keys, client = ToldKeys(), told()
    keys.add(Scope.SUBMIT, Scope.CONTROL)
    async with requests_to(app, guarded_edge(keys, client=client)) as http:
        answer = await http.post(path, json=body, headers=shown() | asks)
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")
    assert answer.headers["www-authenticate"].endswith('scope="read"')
    assert (client.submitted, client.workflows, client.told_replays.asked) == ([], [], [])


@pytest.mark.parametrize(("path", "body"), SUBMITS)
@pytest.mark.parametrize("asks", [{"Prefer": "respond-async"}, {"Accept": "application/json, text/event-stream;q=0.1"}])
async def test_who_may_not_read_may_prefer_what_tells_nothing(
    app: FastAPI, path: str, body: Any, asks: dict[str, str]
) -> None:
    keys, client = ToldKeys(), told()
    keys.add(Scope.SUBMIT)
    async with requests_to(app, guarded_edge(keys, client=client)) as http:
        assert (await http.post(path, json=body, headers=shown() | asks)).status_code == 202
    assert len(client.submitted) == 1


async def test_no_answer_has_the_key_in_it(app: FastAPI) -> None:
    keys = ToldKeys()
    keys.add(Scope.READ)
    for secret, (method, path) in product(("5e" * 32, "5f" * 32), access.NEEDED):
        async with requests_to(app, guarded_edge(keys, client=ToldClient())) as http:
            answer = await http.request(method, path.format(**PARAMETERS), headers=shown(secret=secret))
        assert secret not in answer.text + str(answer.headers), path


def test_openapi_says_which_operations_need_a_key_and_how_they_answer_without(app: FastAPI) -> None:
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in access.PUBLIC:
                assert "security" not in operation
                continue
            scope = access.NEEDED[method.upper(), path]
            assert operation["security"][0] == {"bearer": [scope]}, path
            assert ({"streamToken": [scope]} in operation["security"]) is (path in access.STREAMS), path
            assert {"401", "403", "429"} <= operation["responses"].keys(), path
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"], path
    assert document["components"]["securitySchemes"].keys() == {"bearer", "apiKey", "streamToken"}
