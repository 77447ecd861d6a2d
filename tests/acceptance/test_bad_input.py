"""Bad input is refused with a sentence that names the field, reaches no queue, and harms no worker."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.acceptance.api import Api, Document, assert_complete
from tests.acceptance.bad_input import BAD, BAD_PAYLOADS, EDGE_VALUES, EDGES, Bad
from tests.acceptance.installation import Installation

pytestmark = pytest.mark.asyncio(loop_scope="package")
JSON = {"Content-Type": "application/json"}
QUEUE = "stock"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def door(shared: Installation, api: Api) -> AsyncIterator[Api]:
    """A replica that sends everything to the same stock worker, unless it is told otherwise."""
    async with shared.api(PETIOLE_DEFAULT_QUEUE=QUEUE, PETIOLE_DEFAULT_TASK="stock.big") as replica:
        yield replica


class Traces:
    """What submits leave in Redis."""

    def __init__(self, installation: Installation) -> None:
        self._redis = installation.redis

    async def read(self) -> list[Any]:
        """Records and histories, updates, queues and their depth."""
        own = [await self._redis.execute("KEYS", f"petiole:{kind}:*") for kind in ("task", "history")]
        updates = await self._redis.execute("XINFO", "STREAM", "petiole:live")
        queues = sorted(await self._redis.execute("SMEMBERS", "petiole:queues"))
        depths = [await self._redis.execute("LLEN", queue) for queue in (QUEUE, *queues)]
        waiting = [await self._redis.execute("ZCARD", f"petiole:{kind}") for kind in ("open", "scheduled")]
        return [
            *map(sorted, own),
            dict(zip(updates[::2], updates[1::2], strict=True))[b"entries-added"],
            depths,
            waiting,
        ]


@pytest_asyncio.fixture(loop_scope="package")
async def nothing_is_queued(door: Api, shared: Installation) -> AsyncIterator[None]:
    """What a story does here leaves no trace, and afterwards a good task succeeds on the same worker."""
    assert_complete(await door.follow(await door.submit("stock.add", 1, 1)))
    traces = Traces(shared)
    before = await traces.read()
    yield
    assert await traces.read() == before
    updates = await door.follow(await door.submit("stock.add", 20, 22))
    assert_complete(updates)
    assert updates[-1].content["result"] == 42


def problem(answer: httpx.Response, status: int, kind: str) -> Document:
    """The problem document of an answer."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    document: Document = answer.json()
    assert (document["type"], document["status"]) == (kind, status)
    assert document["detail"]
    assert len(answer.content) < 4_096
    return document


@pytest.mark.usefixtures("nothing_is_queued")
@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in BAD])
async def test_a_task_that_is_not_as_it_must_be_is_refused_and_the_field_is_named(door: Api, bad: Bad) -> None:
    answer = await door.http.post("/v1/tasks", content=bad.body, headers=JSON)
    errors = problem(answer, 422, "payload-invalid")["errors"]
    assert bad.pointer in [error["pointer"] for error in errors if error["in"] == "body"]
    assert all(error["detail"] for error in errors)


@pytest.mark.usefixtures("nothing_is_queued")
@pytest.mark.parametrize("payload", [pytest.param(payload, id=name) for name, payload in BAD_PAYLOADS.items()])
async def test_a_payload_of_the_first_contract_that_is_no_text_is_refused(door: Api, payload: object) -> None:
    answer = await door.http.post("/tasks/submit", content=json.dumps({"data": payload}), headers=JSON)
    assert [error["pointer"] for error in problem(answer, 422, "payload-invalid")["errors"]] == ["/data"]


@pytest.mark.usefixtures("nothing_is_queued")
@pytest.mark.parametrize("path", ["/tasks/submit", "/v1/tasks", "/v1/tasks/some-id/cancel"])
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "in pieces"])
async def test_a_body_of_ten_megabytes_is_too_large(door: Api, path: str, stated: bool) -> None:
    body = b'{"data": "' + b"x" * 10_000_000 + b'"}'
    content = body if stated else _in_pieces(body)
    problem(await door.http.post(path, content=content, headers=JSON), 413, "payload-too-large")


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]


async def test_an_id_that_was_used_is_refused_and_the_first_task_is_left_alone(door: Api, shared: Installation) -> None:
    task_id = await door.submit("stock.add", 1, 1, task_id="used-once")
    whole = await door.follow(task_id)
    before = await Traces(shared).read()
    answer = await door.http.post("/v1/tasks", json={"task": "stock.add", "options": {"task_id": task_id}})
    problem(answer, 409, "task-exists")
    assert await Traces(shared).read() == before
    assert await door.follow(task_id) == whole


@pytest.mark.parametrize("options", [pytest.param(options, id=name) for name, options in EDGES.items()])
async def test_options_at_the_edge_of_what_may_be_sent_are_served(door: Api, options: Document) -> None:
    task_id = await door.submit("stock.add", 1, 1, **options)
    assert_complete(await door.follow(task_id))
    assert (await door.task(task_id))["result"] == 2


@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in EDGE_VALUES.items()])
async def test_arguments_at_the_edge_of_what_may_be_sent_come_back_as_they_were(door: Api, value: object) -> None:
    task_id = await door.submit("stock.echo", value)
    assert_complete(await door.follow(task_id))
    assert (await door.http.get(f"/v1/tasks/{task_id}/result")).json()["result"] == value


@pytest.mark.usefixtures("nothing_is_queued")
@pytest.mark.parametrize(
    ("how", "pointer"),
    [
        ({"terminate": "yes"}, "/terminate"),
        ({"terminate": 1}, "/terminate"),
        ({"signal": "TERM"}, "/signal"),
        ({"signal": "SIGNOTHING"}, "/signal"),
        ({"signal": "SIGSTOP"}, "/signal"),
        ({"signal": 9}, "/signal"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": "\ud800"}, "/reason"),
        ({"because": "x"}, "/because"),
        ([], ""),
    ],
)
async def test_a_request_to_cancel_that_is_not_as_it_must_be_is_refused(door: Api, how: object, pointer: str) -> None:
    answer = await door.http.post("/v1/tasks/used-once/cancel", content=json.dumps(how), headers=JSON)
    assert [error["pointer"] for error in problem(answer, 422, "payload-invalid")["errors"]] == [pointer]
