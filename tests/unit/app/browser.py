"""A client of one stream, by hand: it sees each piece as it is sent, and leaves when it likes."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Scope

from tests.unit.bridge.updates import TASK_ID

UVICORN, NEWER = "2.3", "2.4"
"""Versions of ASGI: in the first `receive` tells that a client has left, in the other an error of `send` does."""


class Browser:
    """Reads a stream, unless told not to; calls `then` after each piece with all the bytes it has so far."""

    def __init__(self, then: Callable[[bytes], object] = lambda _: None, *, reads: bool = True) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.pieces: list[bytes] = []
        self._then = then
        self._reads, self._left = asyncio.Event(), asyncio.Event()
        if reads:
            self._reads.set()

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    async def receive(self) -> Message:
        """Nothing, until the connection is closed."""
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a piece of the answer."""
        await self._reads.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        elif message["body"]:
            self.pieces.append(message["body"])
            self.body += message["body"]
            self._then(self.body)


def scope(version: str = UVICORN, **more: Any) -> Scope:
    """A request to follow the task."""
    path = f"/v1/tasks/{TASK_ID}/events"
    asked: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    return {**asked, "asgi": {"version": "3.0", "spec_version": version}, **more}
