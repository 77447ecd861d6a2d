"""A web site that lets a test decide how long `fetch_url` takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from app.cli.ports import LOOPBACK
from tests.acceptance.waiting import DEADLINE

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


class Site:
    """Answers when the test opens it."""

    def __init__(self) -> None:
        self.requests = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def serve(cls) -> AsyncIterator[Self]:
        site = cls()
        async with await asyncio.start_server(site._answer, LOOPBACK, 0) as server:
            site.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"
            yield site

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests.release()
        await self.open.wait()
        writer.write(ANSWER)
        writer.close()

    async def is_asked(self) -> None:
        """Wait for a request."""
        async with asyncio.timeout(DEADLINE):
            await self.requests.acquire()
