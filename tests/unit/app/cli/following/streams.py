"""A server of event streams without a socket: it plays prepared answers, one for each connection."""

import json
from collections.abc import AsyncIterator, Iterable

import httpx

BASE_URL = "http://api.test"


class Broken(httpx.AsyncByteStream):
    """A body that breaks off with an error after its pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        raise httpx.RemoteProtocolError("peer closed connection")


class Script(httpx.AsyncBaseTransport):
    """Answers each request with the next of `answers`; an exception is raised. `requests` keeps what was asked."""

    def __init__(self, answers: Iterable[httpx.Response | Exception]) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = iter(answers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def cursors(self) -> list[str | None]:
        return [request.headers.get("Last-Event-ID") for request in self.requests]


def client(script: Script) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=script, base_url=BASE_URL)


def event(number: int | None, name: str, **content: object) -> bytes:
    lines = [*([f"id: {number}"] if number else []), f"event: {name}", f"data: {json.dumps(content)}"]
    return "\n".join([*lines, "", ""]).encode()


def status_event(seq: int, status: str, **content: object) -> bytes:
    final = {"final": True} if status in ("succeeded", "failed", "cancelled") else {}
    return event(seq, status, task_id="t", seq=seq, status=status, attempt=1, **final, **content)


def stream(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=b"".join(pieces))


def broken_stream(*pieces: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Broken(*pieces))
