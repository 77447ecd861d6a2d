"""A load generator that costs little: HTTP/1.1 over raw connections, one request at a time on each."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from tests.benchmarks.report import Pairs

CONNECTIONS = 64
SECONDS = 3.0
ROUNDS = 5
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """How many answers came, by status class."""

    good: int = 0
    bad: int = 0
    stopped: bool = False


class RequestLoop(asyncio.Protocol):
    """Sends the same request again and again, each when the answer to the last one is complete."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._answer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first one."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count a complete answer, and send the next request."""
        self._answer += data
        head, end, body = self._answer.partition(HEAD_END)
        if not end or len(body) < length(head):
            return
        if self._answer.startswith(b"HTTP/1.1 2"):
            self._tally.good += 1
        else:
            self._tally.bad += 1
        self._answer = b""
        if not self._tally.stopped:
            self._transport.write(self._request)


def length(head: bytes) -> int:
    """How long the body is that follows a head."""
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def post(
    path: str, body: bytes, media_type: str = "application/json", headers: Mapping[str, str] = NO_HEADERS
) -> bytes:
    """A POST."""
    fields = {"Host": "localhost", "Content-Type": media_type, "Content-Length": len(body), **headers}
    head = "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())])
    return head.encode() + HEAD_END + body


async def requests_per_second(port: int, request: bytes, *, connections: int, seconds: float) -> float:
    """How many answers come in a second, over so many connections.

    Raises:
        RuntimeError: an answer was not a success.
    """
    loop = asyncio.get_running_loop()
    tally = Tally()
    make = partial(RequestLoop, request, tally)
    opened = [await loop.create_connection(make, "127.0.0.1", port) for _ in range(connections)]
    before, started = tally.good, time.perf_counter()
    await asyncio.sleep(seconds)  # nothing is waited for: that long is measured
    rate = (tally.good - before) / (time.perf_counter() - started)
    tally.stopped = True
    for transport, _ in opened:
        transport.close()
    if tally.bad:
        raise RuntimeError(f"{tally.bad} answers were no success")
    return rate


async def compared(ours: tuple[int, bytes], theirs: tuple[int, bytes]) -> Pairs:
    """Requests per second of two requests, each with the port it goes to, in turn, each with the machine to itself."""
    pairs = Pairs(ours=[], theirs=[])
    for port, request in (ours, theirs):
        await requests_per_second(port, request, connections=CONNECTIONS, seconds=1)
    for _ in range(ROUNDS):
        for rates, (port, request) in ((pairs.theirs, theirs), (pairs.ours, ours)):
            rates.append(await requests_per_second(port, request, connections=CONNECTIONS, seconds=SECONDS))
    return pairs
