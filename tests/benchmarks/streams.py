"""A thousand open streams in one API process: what each costs, and how long an update takes to reach them all."""

import asyncio
import re
import time
from functools import partial
from pathlib import Path
from statistics import median

from app.cli.ports import free_port
from bridge import connect
from bridge.protocol.news import News
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.load import HEAD_END
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

STREAMS = 1_000
UPDATES = 10
GOAL_KB = 40
GOAL_SECONDS = 0.2
PATIENCE = 30


class Listener(asyncio.Protocol):
    """One client: counts the updates it gets."""

    def __init__(self, request: bytes, heard: "Heard") -> None:
        self._request = request
        self._heard = heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count what came."""
        self._heard.add(data.count(b"\nevent: "))


class Heard:
    """How many updates all clients have had together."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    def add(self, count: int) -> None:
        """Some came."""
        self.count += count
        if self.count >= self._wanted:
            self._reached.set()

    async def reaches(self, count: int) -> None:
        """Wait for so many."""
        self._wanted = count
        self._reached.clear()
        if self.count < count:
            async with asyncio.timeout(PATIENCE):
                await self._reached.wait()


async def run(bench: Bench) -> list[Figure]:
    """Open all streams on one task, then move that task."""
    port = free_port()
    pid = await bench.start_api(port)
    settings = BridgeSettings.load(redis_url=bench.redis_url)
    heard = Heard()
    async with connect(bench.redis_url) as tasks, Redis.open(bench.redis_url, settings) as redis:
        task_id = (await tasks.submit("bench.none", countdown=86_400)).task_id
        told = len(await tasks.history(task_id))
        await _open(port, task_id, 50, heard)  # the first streams load what all share
        await heard.reaches(50 * told)
        before = _resident_kb(pid)
        await _open(port, task_id, STREAMS, heard)
        await heard.reaches((50 + STREAMS) * told)
        each = (_resident_kb(pid) - before) / STREAMS
        async with StatusStore.open(redis, settings) as store:
            times = [await _time_of_update(store, task_id, number, heard) for number in range(UPDATES)]
    return [
        Figure(name=f"resident memory of each of {STREAMS:,} streams", value=each, unit="KB", at_most=GOAL_KB),
        Figure(name="an update reaches all of them, median", value=median(times), unit="s", at_most=GOAL_SECONDS),
        Figure(name="an update reaches all of them, slowest", value=max(times), unit="s"),
    ]


async def _open(port: int, task_id: str, count: int, heard: Heard) -> None:
    request = f"GET /v1/tasks/{task_id}/events HTTP/1.1\r\nHost: localhost".encode() + HEAD_END
    make = partial(Listener, request, heard)
    for _ in range(count):
        await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)


async def _time_of_update(store: StatusStore, task_id: str, number: int, heard: Heard) -> float:
    progress = {"current": number, "total": UPDATES}
    news = News(task_id=task_id, status=None, at_ms=int(time.time() * 1000), attempt=1, details={"progress": progress})
    wanted = heard.count + 50 + STREAMS
    started = time.perf_counter()
    await store.advance([news])
    await heard.reaches(wanted)
    return time.perf_counter() - started


def _resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])
