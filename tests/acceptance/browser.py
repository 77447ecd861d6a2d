"""A real browser: headless Chromium, and a page that follows a task with `EventSource` and tells what it hears."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from app.cli.ports import LOOPBACK
from tests.acceptance.waiting import DEADLINE

BINARIES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
_PAGE = """<!doctype html><title>follows a task</title><script>
const source = new EventSource(%(url)s)
let told = Promise.resolve()
const tell = what => { told = told.then(() => fetch("/heard", {method: "POST", body: JSON.stringify(what)})) }
for (const name of %(names)s)
  source.addEventListener(name, event => tell({name, id: event.lastEventId, data: JSON.parse(event.data)}))
source.onerror = () => tell({name: source.readyState === EventSource.CLOSED ? "stopped" : "broken"})
</script>"""
_OK = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
Heard = dict[str, Any]


def chromium() -> str:
    """Where Chromium is. In CI it must be there, unless `.ci/run` says that the package archive refused it."""
    for name in BINARIES:
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") and not os.environ.get("CHROMIUM_REFUSED"):
        pytest.fail("there is no Chromium; .ci/run should have installed it")
    pytest.skip("NO BROWSER, so no real EventSource was tried: apt-get install chromium-headless-shell")


class Page:
    """A page on an origin of its own, and what it has heard. `url` is known before it is told what to follow."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.origin = ""
        self._text = b""

    @classmethod
    @asynccontextmanager
    async def serve(cls) -> AsyncIterator[Self]:
        page = cls()
        async with await asyncio.start_server(page._answer, LOOPBACK, 0) as server:
            page.origin = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
            yield page

    @asynccontextmanager
    async def following(self, stream: str, names: list[str], profile: Path) -> AsyncIterator[None]:
        """A browser that shows the page, which follows the stream at that address."""
        self._text = (_PAGE % {"url": json.dumps(stream), "names": json.dumps(names)}).encode()
        browser = await asyncio.create_subprocess_exec(
            chromium(),
            *OPTIONS,
            f"--user-data-dir={profile}",
            f"{self.origin}/page",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(browser.pid, signal.SIGKILL)  # what is started may be a script, which starts the browser
            await browser.wait()

    async def until(self, name: str) -> list[Heard]:
        """What it heard next, up to the first of this name; connections that broke are left out."""
        heard: list[Heard] = []
        async with asyncio.timeout(DEADLINE):
            while not heard or heard[-1]["name"] != name:
                one = await self.heard.get()
                if one["name"] != "broken" or name == "broken":
                    heard.append(one)
        return heard

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next((line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length:")), "0")
        if head.startswith("post /heard "):
            self.heard.put_nowait(json.loads(await reader.readexactly(int(length))))
        body = self._text if head.startswith("get /page ") else b""
        writer.write(_OK.format(len(body)).encode() + body)
        await writer.drain()
        writer.close()
