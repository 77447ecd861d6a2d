"""Nothing of another owner exists: tried at every operation of the OpenAPI document, so that none can be forgotten.

Each is asked twice by acme: with the names of what umbrella has, and with names that nobody has. Both answers must be
the same. Who adds a parameter that names something of an owner adds it to `Names`.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from app.access import needed
from bridge.access.api_keys import Scope
from tests.acceptance.api import Api, Document
from tests.acceptance.installation import STOCK_APP, Installation
from tests.acceptance.operations import (
    NOBODYS,
    Names,
    Operation,
    operations,
    told,
)
from tests.acceptance.test_keys import KEYS, petiole, shown
from tests.acceptance.waiting import DEADLINE, until

pytestmark = pytest.mark.asyncio(loop_scope="package")
Key = Mapping[str, str]
FEED = "/v1/events"
"""Where tasks are named in the query."""


async def made(own: Installation, owner: str) -> Key:
    code, stdout, stderr = await petiole(own, "keys", "create", "--owner", owner, "--json")
    assert code == 0, stderr
    return shown(json.loads(stdout))


async def _submitted(api: Api, key: Key, names: Names, **options: Any) -> str:
    body = {"task": names.type, "args": ["secret"], "options": {"queue": names.queue, "tags": [names.tag], **options}}
    answer = await api.http.post("/v1/tasks", json=body, headers={**key, "Idempotency-Key": names.key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def have(api: Api, key: Key) -> Names:
    """Tasks of an owner: one that waits, one that is held, one that is cancelled; what the first is called by."""
    given = {"tag": "tag of umbrella", "queue": "queue.of.umbrella", "type": "types.of_umbrella"}
    names = Names(**given, key="key-of-umbrella", task="", batch="", cursor="")
    task = await _submitted(api, key, names)
    item = {"task": names.type, "options": {"queue": names.queue, "tags": [names.tag]}}
    late = {"task": names.type, "options": {"queue": names.queue, "tags": [names.tag], "countdown": 3_600}}
    batch = (await api.http.post("/v1/batches", json={"items": [item, late]}, headers=key)).json()
    ended = batch["items"][0]["task_id"]
    assert (await api.http.post(f"/v1/tasks/{ended}/cancel", json={}, headers=key)).status_code == 202
    page = (await api.http.get("/v1/tasks", params={"limit": 1}, headers=key)).json()
    cursor = httpx.URL(page["next"]).params["cursor"]
    return Names(**{**vars(names), "task": task, "batch": batch["batch_id"], "cursor": cursor})


async def everything_of(api: Api, key: Key) -> list[Any]:
    """All that an owner can see of their own."""
    tasks = (await api.http.get("/v1/tasks", headers=key)).json()["tasks"]
    histories = [(await api.http.get(task["links"]["history"], headers=key)).json() for task in tasks]
    return [[{**task, "expires_at": None} for task in tasks], histories]


@asynccontextmanager
async def two_owners(own: Installation) -> AsyncIterator[tuple[Api, Key, Key]]:
    async with own.api(**KEYS) as api:
        yield api, await made(own, "acme"), await made(own, "umbrella")


async def test_no_operation_tells_anything_of_another_owner(own: Installation) -> None:
    async with two_owners(own) as (api, acme, umbrella):
        theirs = await have(api, umbrella)
        before = await everything_of(api, umbrella)
        secrets = {theirs.batch, theirs.queue, theirs.type, *(task["task_id"] for task in before[0])}
        document = (await api.http.get("/openapi.json")).json()
        asked = 0
        for operation in operations(document):
            if "security" not in operation.says:
                continue
            answers = []
            for names in (theirs, NOBODYS):
                request = operation.ask(names)
                request["headers"] |= acme
                answers.append(told(await api.http.request(**request), names))
            assert answers[0] == answers[1], operation
            _is_of_use(operation, answers[0])
            request = operation.ask(None)
            request["headers"] |= acme
            answer = await api.http.request(**request)
            assert not [name for name in secrets if name in answer.text], operation
            asked += 1
            used = await own.redis.execute("KEYS", "petiole:idempotency:acme:*")
            await own.redis.execute("DEL", "none", *used)
        assert asked > 15
        assert await everything_of(api, umbrella) == before
        assert await own.redis.execute("LLEN", theirs.queue) == 1


def _is_of_use(operation: Operation, answer: tuple[int, str, Mapping[str, str]]) -> None:
    """Two refusals would be the same for another reason."""
    status = answer[0]
    if needed(operation.method.upper(), operation.path) is Scope.ADMIN:
        assert status == 403, operation
    elif "{task_id}" in operation.path or "{name}" in operation.path or operation.path == FEED:
        assert status in {404, 422}, (operation, answer)
    else:
        assert status in {200, 201, 202}, (operation, answer)


def workflows_of(step: Document) -> Iterator[Document]:
    """A workflow for each place that a step can have."""
    plain = {"task": "types.any"}
    yield {"chain": [step, plain]}
    yield {"chain": [plain, plain, step]}
    yield {"chain": [plain, {"group": [plain, step]}, plain]}
    yield {"group": [plain, step]}
    yield {"chord": {"header": [plain, {"chain": [plain, step]}], "body": plain}}
    yield {"chord": {"header": [plain, plain], "body": step}}


async def test_no_step_of_a_workflow_takes_over_a_task_of_another_owner(own: Installation) -> None:
    async with two_owners(own) as (api, acme, umbrella), own.running(own.watcher()):
        theirs = await have(api, umbrella)
        waiting = await _submitted(api, umbrella, replace(theirs, key="another"))
        before = await everything_of(api, umbrella)
        waits = await own.redis.execute("LRANGE", theirs.queue, 0, -1)
        for task_id in (waiting, before[0][0]["task_id"], theirs.task):
            for workflow in workflows_of({"task": theirs.type, "options": {"task_id": task_id}}):
                answer = await api.http.post("/v1/workflows", json=workflow, headers=acme)
                assert (answer.status_code, answer.json()["type"]) == (409, "task-exists"), workflow
        assert await everything_of(api, acme) == [[], []]
        assert await own.redis.execute("EXISTS", "celery") == 0
        # What the sweep would give up, it gives up before it comes to a step that has waited as long.
        fails = {"chain": [{"task": "types.any", "options": {"expires": 0}}, {"task": "types.any"}]}
        begun = (await api.http.post("/v1/workflows", json=fails, headers=acme)).json()
        first, last = (step["links"]["self"] for step in begun["parts"]["steps"])
        assert (await api.http.post(f"{first}/cancel", json={}, headers=acme)).status_code == 202
        await until(lambda: _is_cancelled(api, last, acme), within=DEADLINE)
        assert await everything_of(api, umbrella) == before
        assert await own.redis.execute("LRANGE", theirs.queue, 0, -1) == waits


async def _is_cancelled(api: Api, path: str, key: Key) -> bool:
    return bool((await api.http.get(path, headers=key)).json()["status"] == "cancelled")


async def test_what_acme_cannot_see_umbrella_can(own: Installation) -> None:
    async with two_owners(own) as (api, acme, umbrella):
        theirs = await have(api, umbrella)
        for path in ("", "/history", "/result", "/events?after=0"):
            url = f"/v1/tasks/{theirs.task}{path}"
            told_json = {"Accept": "application/json"}
            assert (await api.http.get(url, headers={**umbrella, **told_json})).status_code in {200, 202}, path
            assert (await api.http.get(url, headers={**acme, **told_json})).status_code == 404, path
        asked: list[tuple[dict[str, str], int]] = [({}, 3), ({"batch": theirs.batch}, 2), ({"tag": theirs.tag}, 3)]
        for params, count in asked:
            listed = await api.http.get("/v1/tasks", params=params, headers=umbrella)
            assert len(listed.json()["tasks"]) == count, params
        options = {"queue": theirs.queue, "tags": [theirs.tag]}
        again = {"task": theirs.type, "args": ["secret"], "options": options}
        with_key = {"Idempotency-Key": theirs.key}
        replayed = await api.http.post("/v1/tasks", json=again, headers={**umbrella, **with_key})
        assert (replayed.json()["task_id"], replayed.headers["idempotency-replayed"]) == (theirs.task, "true")
        fresh = await api.http.post("/v1/tasks", json=again, headers={**acme, **with_key})
        assert fresh.json()["task_id"] != theirs.task


async def test_a_stream_token_reaches_no_further_than_the_key_that_made_it(own: Installation) -> None:
    async with two_owners(own) as (api, acme, umbrella):
        theirs = await have(api, umbrella)
        selections: list[dict[str, list[str]]] = [{"task": [theirs.task]}, {"batch": [theirs.batch]}, {}]
        for filters in selections:
            for key, status in ((acme, 404), (umbrella, 200)):
                token = (await api.http.post("/v1/stream-tokens", json=filters, headers=key)).json()["token"]
                params = {"token": token}
                async with api.http.stream("GET", f"/v1/tasks/{theirs.task}/events", params=params) as stream:
                    assert stream.status_code == (404 if "batch" in filters else status), filters


async def test_a_stream_taken_up_at_a_place_of_another_owner_has_nothing_of_theirs(own: Installation) -> None:
    async with two_owners(own) as (api, acme, umbrella):
        theirs = await have(api, umbrella)
        mine = await _submitted(api, acme, NOBODYS)
        headers = {**acme, "Accept": "application/json", "Last-Event-ID": "0-0"}
        updates = (await api.http.get("/v1/events", headers=headers)).json()["updates"]
        assert {update["task_id"] for update in updates} == {mine}
        other = {**headers, **umbrella}
        assert theirs.task in (await api.http.get("/v1/events", headers=other)).text


async def test_what_a_worker_sends_by_itself_is_of_the_owner_and_the_workflow_that_it_comes_of(
    own: Installation,
) -> None:
    async with (
        two_owners(own) as (api, acme, umbrella),
        own.running(own.watcher(), own.worker("stock", app=STOCK_APP)),
        own.running(own.plain_celery_worker("silent")),
    ):
        for queue in ("stock", "silent"):
            step = {"task": "stock.add", "args": [1, 2], "options": {"queue": queue}}
            linked = {"task": "stock.echo", "options": {"queue": queue}}
            begun = await api.http.post("/v1/workflows", json={**step, "link": [linked]}, headers=acme)
            batch = begun.json()["workflow_id"]
            await until(partial(_have_ended, api, batch, 2, acme))
            listed = await _of_batch(api, batch, acme)
            assert [task["result"] for task in listed] == [3, 3], queue  # the name of one is told by events alone
            for task in listed:
                assert (await api.http.get(task["links"]["self"], headers=umbrella)).status_code == 404
        assert await everything_of(api, umbrella) == [[], []]


async def _of_batch(api: Api, batch: str, key: Key) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await api.http.get("/v1/tasks", params={"batch": batch}, headers=key)).json()[
        "tasks"
    ]
    return listed


async def _have_ended(api: Api, batch: str, count: int, key: Key) -> bool:
    return [task["status"] for task in await _of_batch(api, batch, key)] == ["succeeded"] * count
