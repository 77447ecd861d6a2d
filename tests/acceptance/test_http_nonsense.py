"""Requests that no honest client sends: each gets a 4xx, and the service goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="package")
GOOD = b'{"task": "stock.add", "args": [1, 1], "options": {"queue": "stock"}}'
POST = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BEYOND_ALL_NUMBERS = "9" * 40


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def task_id(api: Api) -> AsyncIterator[str]:
    """A task that has ended."""
    known = await api.submit("stock.add", 1, 1, queue="stock")
    assert_complete(await api.follow(known))
    yield known


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "nonsense", "multipart/form-data"]
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await api.http.post("/v1/tasks", content=GOOD, headers=headers)
    assert answer.status_code == 422, answer.text
    assert "application/json" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/json; charset=utf-16", GOOD, id="a charset that is not true"),
        pytest.param("application/json", GOOD.decode().encode("utf-16"), id="UTF-16"),
        pytest.param("application/json", b"\xef\xbb\xbf" + GOOD, id="a byte order mark"),
        pytest.param("application/json", GOOD[:-1] + b', "task": "stock.add"}', id="a name that comes twice"),
        pytest.param("application/vnd.api+json", GOOD, id="a dialect of JSON"),
        pytest.param("application/json", b"\x00" * 100, id="zeros"),
        pytest.param("application/json", b'{"a":' * 5_000, id="half a body"),
        pytest.param("application/json", b'"' + b"\\u0000" * 50_000 + b'"', id="escapes"),
    ],
)
async def test_odd_bodies_are_served_or_refused_and_never_an_error_of_the_server(
    api: Api, content_type: str, body: bytes
) -> None:
    answer = await api.http.post("/v1/tasks", content=body, headers={"Content-Type": content_type})
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 202:
        assert_complete(await api.follow(answer.json()["task_id"]))


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "٣", "1 2", "+1", "0x1", "1" * 16, "1e3", "id", "null"])
async def test_a_last_event_id_that_is_no_number_of_an_update_is_refused(api: Api, task_id: str, position: str) -> None:
    headers = {b"Last-Event-ID": position.encode()}
    answer = await api.http.get(f"/v1/tasks/{task_id}/events", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["in"]) == (422, "header"), answer.text


@pytest.mark.parametrize("where", ["events", "history"])
@pytest.mark.parametrize("position", ["-1", "x", "1.5", "1e3", "NaN", BEYOND_ALL_NUMBERS])
async def test_a_position_that_is_no_number_of_an_update_is_refused(
    api: Api, task_id: str, where: str, position: str
) -> None:
    answer = await api.http.get(f"/v1/tasks/{task_id}/{where}", params={"after": position})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/after"), answer.text


async def test_a_client_that_comes_from_the_future_gets_the_whole_task_and_then_all_updates_again(
    api: Api, task_id: str
) -> None:
    async with api.stream(task_id, last_event_id=999_999_999_999_999) as stream:
        reset, *updates = await stream.rest()
    assert (reset.name, reset.content["task_id"]) == ("reset", task_id)
    assert_complete(updates)


@pytest.mark.parametrize("suffix", ["", "/result", "/history", "/events", "/cancel"])
@pytest.mark.parametrize(
    "wild",
    [
        pytest.param("%00", id="zero"),
        pytest.param("%0A", id="a line end"),
        pytest.param("%ff%fe", id="no UTF-8"),
        pytest.param("%ED%A0%80", id="half a surrogate pair"),
        pytest.param("%", id="half an escape"),
        pytest.param("%2F..%2F..%2Fetc", id="a path"),
        pytest.param("*", id="a pattern"),
        pytest.param(quote("ü字🌿"), id="any script"),
        pytest.param("y" * 255, id="255 characters"),
        pytest.param("y" * 256, id="256 characters"),
        pytest.param("y" * 8_000, id="8,000 characters"),
    ],
)
async def test_an_id_that_cannot_be_is_not_found_or_refused(api: Api, wild: str, suffix: str) -> None:
    method = "POST" if suffix == "/cancel" else "GET"
    answer = await api.http.request(method, f"/v1/tasks/{wild}{suffix}")
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/tasks", 405),
        ("PUT", "/tasks/submit", 405),
        ("DELETE", "/v1/tasks/some-id", 405),
        ("POST", "/v1/tasks/some-id/events", 405),
        ("GET", "/nowhere", 404),
        ("PATCH", "/healthz", 405),
    ],
)
async def test_a_method_or_path_that_is_not_there_is_a_problem_document_too(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = await api.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"\x00" * 1_000, id="zeros"),
        pytest.param(b"GET /healthz\r\n\r\n", id="HTTP 0.9"),
        pytest.param(b"GET /healthz HTTP/9.9\r\n\r\n", id="HTTP 9.9"),
        pytest.param(b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", id="half an address"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n{}", id="a negative length"),
        pytest.param(POST + b"Content-Length: 1e3\r\n\r\n{}", id="a length that is no number"),
        pytest.param(POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}", id="a length beyond all lengths"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", id="two lengths"),
        pytest.param(POST + b"Content-Length: 9000000\r\n\r\n{}", id="a length above the limit"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", id="a piece of no length"),
        pytest.param(POST + b"Transfer-Encoding: nonsense\r\n\r\n{}", id="an encoding that nobody knows"),
        pytest.param(POST + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n", id="a header of 200,000 bytes"),
        pytest.param(POST + b"X-Zero: \x00\r\nContent-Length: 2\r\n\r\n{}", id="a header with a zero"),
        pytest.param(POST + b"Content-Length: 100\r\n\r\n{", id="a body that is cut off"),
    ],
)
async def test_bytes_that_are_hardly_http_get_a_4xx_or_nothing(api: Api, request_bytes: bytes) -> None:
    answer = await _told_raw(api, request_bytes)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200", b"HTTP/1.0 200")), answer[:500]
    assert (await api.http.get("/healthz")).status_code == 200


async def _told_raw(api: Api, request: bytes) -> bytes:
    """The answer to bytes after which nothing more is sent."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(api.http.base_url.host, api.http.base_url.port)
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            await writer.drain()
            writer.write_eof()
        answer = await _read(reader)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer


async def _read(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""
