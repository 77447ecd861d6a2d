"""Task types come and go with the workers that have them; the API needs neither a restart nor a line of their code."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.cli.processes.supervisor import Supervisor
from tests.acceptance.api import ACCEPTED, Api
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import until
from workers.catalog import LIFE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="package")
TYPED_APP = "tests.acceptance.typed_tasks:app"
SHIP = "/v1/task-types/typed.ship"
SUBMIT = f"{SHIP}/tasks"
AT_ONCE = 2.0
PARCEL = {"items": [{"name": "pen", "count": 2, "inside": []}], "to": {"street": "Elm"}, "speed": "fast"}
UNPROCESSABLE, NOT_FOUND, NOT_MODIFIED = 422, 404, 304


async def document(api: Api) -> dict[str, Any]:
    """The OpenAPI document as it is served now."""
    read: dict[str, Any] = (await api.http.get("/openapi.json")).raise_for_status().json()
    return read


async def lists_the_type(api: Api) -> bool:
    return SUBMIT in (await document(api))["paths"]


async def lists_no_such_type(api: Api) -> bool:
    return not await lists_the_type(api)


async def test_a_type_is_offered_and_checked_within_two_seconds_of_its_worker_and_goes_with_it(
    shared: Installation, api: Api
) -> None:
    assert not await lists_the_type(api)
    assert (await api.http.post(SUBMIT, json=PARCEL)).json()["type"] == "unknown-task-type"
    async with shared.running(shared.worker("typed", app=TYPED_APP)):
        await until(lambda: lists_the_type(api), within=AT_ONCE)
        wrong = await api.http.post(SUBMIT, json={**PARCEL, "items": [{"name": "pen", "count": 0}], "speed": "warp"})
        assert wrong.status_code == UNPROCESSABLE
        assert {error["pointer"] for error in wrong.json()["errors"]} == {"/items/0/count", "/speed"}
        right = await api.http.post(SUBMIT, json=PARCEL)
        assert right.status_code == ACCEPTED
        (*_, end) = await api.follow(right.json()["task_id"])
        assert (end.status, end.content["result"]) == ("succeeded", "2 to Elm, fast")
    await until(lambda: lists_no_such_type(api), within=AT_ONCE)
    assert (await api.http.get(SHIP)).status_code == NOT_FOUND
    assert (await api.http.post(SUBMIT, json=PARCEL)).status_code == UNPROCESSABLE


async def test_what_is_refused_is_not_queued(shared: Installation, api: Api, lifetimes: AsyncExitStack) -> None:
    await lifetimes.enter_async_context(shared.running(shared.worker("another", app=TYPED_APP)))  # nobody takes "typed"
    await until(lambda: lists_the_type(api), within=AT_ONCE)
    before = await shared.redis.execute("LLEN", "typed")
    assert (await api.http.post(SUBMIT, json={"items": []})).status_code == UNPROCESSABLE
    assert await shared.redis.execute("LLEN", "typed") == before
    assert (await api.http.post(SUBMIT, json=PARCEL)).status_code == ACCEPTED
    assert await shared.redis.execute("LLEN", "typed") == before + 1


async def test_the_document_is_valid_openapi_3_1_with_the_operations_of_announced_types(
    shared: Installation, api: Api, lifetimes: AsyncExitStack
) -> None:
    await lifetimes.enter_async_context(shared.running(shared.worker("typed", app=TYPED_APP)))
    await until(lambda: lists_the_type(api), within=AT_ONCE)
    served = await document(api)
    OpenAPIV31SpecValidator(served).validate()
    operation = served["paths"][SUBMIT]["post"]
    assert operation["summary"] == "Ship items."
    assert served["paths"]["/v1/task-types/workers.tasks.heavy_task/tasks"]


async def test_a_type_says_what_its_worker_announced(shared: Installation, api: Api, lifetimes: AsyncExitStack) -> None:
    await lifetimes.enter_async_context(shared.running(shared.worker("typed", app=TYPED_APP)))
    await until(lambda: lists_the_type(api), within=AT_ONCE)
    answer = await api.http.get(SHIP)
    told = answer.json()
    assert told["doc"] == "Ship items.\n\nAll of them in one parcel."
    assert (told["queue"], told["soft_time_limit"], told["retry"]["max_retries"]) == ("typed", 30, 7)
    assert told["schema"]["required"] == ["items", "to"]
    assert told["links"] == {"self": SHIP, "submit": SUBMIT}
    again = await api.http.get(SHIP, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == NOT_MODIFIED


async def test_of_a_worker_that_announces_nothing_the_names_are_known(api: Api) -> None:
    await until(lambda: knows(api, "stock.add"))
    told = (await api.http.get("/v1/task-types/stock.add")).json()
    assert (told["announced"], told["schema"], told["queue"]) == (False, None, None)
    assert not any("stock." in path for path in (await document(api))["paths"])
    assert (await api.http.post("/v1/task-types/stock.add/tasks", json={"x": 1, "y": 2})).status_code == ACCEPTED


async def knows(api: Api, name: str) -> bool:
    types = (await api.http.get("/v1/task-types")).raise_for_status().json()["task_types"]
    return name in [one["name"] for one in types]


async def is_announced(installation: Installation) -> bool:
    return bool(await installation.redis.execute("KEYS", "petiole:catalog:*"))


async def test_a_worker_announces_again_when_redis_has_lost_everything(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    await lifetimes.enter_async_context(own.running(own.worker("typed", app=TYPED_APP)))
    await until(lambda: lists_the_type(api), within=AT_ONCE)
    await own.redis.execute("FLUSHALL")
    await until(lambda: is_announced(own))
    await until(lambda: lists_the_type(api), within=AT_ONCE)


async def test_a_worker_announces_again_when_redis_has_restarted(own: Installation, lifetimes: AsyncExitStack) -> None:
    api = await lifetimes.enter_async_context(own.api())
    await lifetimes.enter_async_context(own.running(own.worker("typed", app=TYPED_APP)))
    await until(lambda: lists_the_type(api), within=AT_ONCE)
    await own.server.stop()
    assert await lists_the_type(api), "what was known last stays in the document"
    await own.server.start()
    await own.server.ready()
    await own.redis.execute("FLUSHALL")
    await until(lambda: is_announced(own))
    await until(lambda: lists_the_type(api), within=AT_ONCE)


async def test_the_types_of_a_killed_worker_go_when_its_announcement_expires(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    async with Supervisor(own.log.take) as supervisor:
        worker = await supervisor.start(own.worker("typed", app=TYPED_APP))
        await worker.ready()
        await until(lambda: lists_the_type(api), within=AT_ONCE)
        await worker.kill()
    (key,) = await own.redis.execute("KEYS", "petiole:catalog:*")
    assert 0 < await own.redis.execute("TTL", key) <= LIFE_SECONDS
    await own.redis.execute("PEXPIRE", key, 1)  # the rest of its time passes
    await until(lambda: lists_no_such_type(api), within=AT_ONCE)
