import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from app.body import BodyLimit
from app.errors import ProblemRaised
from tests.unit.app.edge import JSON, MAX_BODY, ToldClient, asked

ENVELOPE = len(b'{"data":""}')
LIMIT = 10


def payload(size: int) -> bytes:
    """A body of the first contract, of so many bytes."""
    return b'{"data":"' + b"x" * (size - ENVELOPE) + b'"}'


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 1_000):
        yield body[at : at + 1_000]


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "in pieces"])
@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 202), (MAX_BODY + 1, 413), (9 * MAX_BODY, 413)])
async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(
    app: FastAPI, size: int, status: int, stated: bool
) -> None:
    client, body = ToldClient(), payload(size)
    content = body if stated else in_pieces(body)
    answer = await asked(app, client, "POST", "/tasks/submit", content=content, headers=JSON)
    assert answer.status_code == status
    assert len(client.submitted) == (status == 202)


async def test_a_body_that_is_too_large_is_answered_with_the_limit(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks/a%3Fb/cancel", content=payload(MAX_BODY + 1))
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["instance"]) == ("payload-too-large", "/v1/tasks/a%3Fb/cancel")
    assert f"more than {MAX_BODY} bytes" in answer.json()["detail"]


class Inner:
    """An application that reads the body to its end."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope["type"])
        while (await receive()).get("more_body"):
            pass


class Wire:
    """What a client sends, and what it is sent."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def scope(length: bytes | None = None) -> Scope:
    headers = [(b"host", b"x")] + ([(b"content-length", length)] if length is not None else [])
    return {"type": "http", "path": "/", "headers": headers, "method": "POST", "query_string": b""}


@pytest.mark.parametrize("length", [b"11", b"0" * 9 + b"11", b"9" * 30, b"9" * 5_000])
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(length: bytes) -> None:
    inner, wire = Inner(), Wire()
    await BodyLimit(inner, LIMIT)(scope(length), wire.receive, wire.send)
    assert (inner.scopes, wire.sent[0]["status"]) == ([], 413)


@pytest.mark.parametrize("length", [None, b"10", b"", b"-1", b"x", b"1e9", b"\xb2"])
async def test_a_length_that_says_nothing_is_no_reason_to_refuse(length: bytes | None) -> None:
    inner, wire = Inner(), Wire({"type": "http.request", "body": b"x" * LIMIT})
    await BodyLimit(inner, LIMIT)(scope(length), wire.receive, wire.send)
    assert (inner.scopes, wire.sent) == (["http"], [])


async def test_a_stated_length_does_not_count_beside_a_transfer_encoding() -> None:
    wire = Wire({"type": "http.request", "body": b"x" * (LIMIT + 1)})
    chunked = {**scope(), "headers": [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")]}
    with pytest.raises(ProblemRaised):
        await BodyLimit(Inner(), LIMIT)(chunked, wire.receive, wire.send)


async def test_each_request_is_counted_by_itself() -> None:
    inner = Inner()
    limited = BodyLimit(inner, LIMIT)
    for _ in range(2):
        wire = Wire({"type": "http.request", "body": b"x" * LIMIT})
        await limited(scope(), wire.receive, wire.send)
    assert inner.scopes == ["http", "http"]


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_what_is_no_request_passes(kind: str) -> None:
    inner, wire = Inner(), Wire({"type": f"{kind}.startup"})
    await BodyLimit(inner, LIMIT)({"type": kind}, wire.receive, wire.send)
    assert inner.scopes == [kind]


async def refused(app: FastAPI, body: bytes) -> str:
    """What is said of a body that is not JSON."""
    client = ToldClient()
    answer = await asked(app, client, "POST", "/v1/tasks", content=body, headers=JSON)
    assert (answer.status_code, client.submitted) == (422, [])
    (error,) = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("body", "")
    return str(error["detail"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b'{"task":"a","args":[NaN]}', "NaN is not JSON", id="NaN"),
        pytest.param(b'{"task":"a","args":[Infinity]}', "Infinity is not JSON", id="Infinity"),
        pytest.param(b'{"task":"a","args":[-Infinity]}', "-Infinity is not JSON", id="-Infinity"),
        pytest.param(b"[" * 10_000, "nested too deep", id="nested"),
        pytest.param(b'{"task":"\xff"}', "is not UTF-8", id="latin-1"),
        pytest.param('{"task":"a"}'.encode("utf-16"), "is not UTF-8", id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"task":"a"}', "Expecting value", id="byte order mark"),
        pytest.param(b"{", "Expecting property name", id="half"),
        pytest.param(b'{"task":"a"} {}', "Extra data", id="two values"),
        pytest.param(b" ", "Expecting value", id="a blank"),
    ],
)
async def test_what_is_not_json_is_refused_as_a_whole(app: FastAPI, body: bytes, reason: str) -> None:
    assert reason in await refused(app, body)


async def test_a_number_of_five_thousand_digits_is_refused_as_a_whole(app: FastAPI) -> None:
    assert await refused(app, b'{"task":"a","args":[%b]}' % (b"9" * 5_000)) == "has a number of too many digits"


@pytest.mark.parametrize("body", [b'"a"', b"5", b"null", b"[]"])
async def test_json_that_is_no_object_is_refused_as_a_whole(app: FastAPI, body: bytes) -> None:
    assert await refused(app, body)


async def test_of_a_name_that_comes_twice_the_last_counts_as_everywhere_in_python(app: FastAPI) -> None:
    client, body = ToldClient(), b'{"task":"a","task":"b","kwargs":{"x":1,"x":2}}'
    await asked(app, client, "POST", "/v1/tasks", content=body, headers=JSON)
    assert [(task, kwargs) for task, _, kwargs, _ in client.submitted] == [("b", {"x": 2})]


@pytest.mark.parametrize("said", [None, "", "text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_a_body_that_is_not_said_to_be_json_is_not_read_as_json(app: FastAPI, said: str | None) -> None:
    headers = {} if said is None else {"Content-Type": said}
    answer = await asked(app, ToldClient(), "POST", "/v1/tasks", content=b'{"task":"a"}', headers=headers)
    assert answer.status_code == 422
    assert "sent as Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize("said", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
async def test_json_by_any_of_its_names_is_read(app: FastAPI, said: str) -> None:
    answer = await asked(
        app, ToldClient(), "POST", "/v1/tasks", content=b'{"task":"a"}', headers={"Content-Type": said}
    )
    assert answer.status_code == 202


@pytest.mark.parametrize("value", [10**4_000, 1e308, -0.0, "\u0000\U0010ffff", [[[[]]]], {"": None}])
async def test_any_other_json_comes_through_as_it_is(app: FastAPI, value: Any) -> None:
    client = ToldClient()
    body = json.dumps({"task": "a", "args": [value]})
    await asked(app, client, "POST", "/v1/tasks", content=body, headers=JSON)
    assert client.submitted[0][1] == [value]
