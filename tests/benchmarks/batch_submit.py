"""POST /v1/batches with 10,000 tasks in one request: as JSON, as NDJSON, and all or none."""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from app.cli.ports import free_port
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.load import HEAD_END, length, post
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

COUNT = 10_000
ROUNDS = 5
FLOOR = {"JSON": 15_000, "NDJSON": 15_000, "atomic": None}
"""Tasks per second. Of an atomic batch nothing can be queued while the rest is made ready, so it has no goal."""
BUSY_MS = 500
"""Longest that Redis may do nothing else for an atomic batch, milliseconds."""
ITEM = {"task": "bench.none", "args": ["sample payload"]}
_ITEMS = json.dumps({"items": [ITEM] * COUNT}).encode()
_LINES = (json.dumps(ITEM).encode() + b"\n") * COUNT
WAYS: Mapping[str, bytes] = {
    "JSON": post("/v1/batches", _ITEMS),
    "NDJSON": post("/v1/batches", _LINES, "application/x-ndjson"),
    "atomic": post("/v1/batches?atomic=true", _LINES, "application/x-ndjson"),
}


async def run(bench: Bench) -> list[Figure]:
    """Measure all in turn, each with the machine to itself."""
    port = free_port()
    pid = await bench.start_api(port, PETIOLE_MAX_QUEUE_DEPTH="100000000")
    settings = BridgeSettings.load(redis_url=bench.redis_url)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    busy: list[float] = []
    async with Redis.open(bench.redis_url, settings) as redis:
        for _ in range(ROUNDS):
            for way, request in WAYS.items():
                await redis.execute("FLUSHDB")
                await redis.execute("CONFIG", "RESETSTAT")
                before = _cpu_seconds(pid)
                rates[way].append(await _rate(port, request))
                if way == "atomic":
                    busy.append(await _script_ms(redis))
                costs[way].append((_cpu_seconds(pid) - before) / COUNT * 1e6)
    figures = []
    for way in WAYS:
        figures.append(Figure(name=f"{way}, fastest round", value=max(rates[way]), unit="tasks/s", at_least=FLOOR[way]))
        figures.append(Figure(name="  CPU time of the API", value=min(costs[way]), unit="µs a task"))
    return [*figures, Figure(name="Redis is busy with one atomic batch", value=min(busy), unit="ms", at_most=BUSY_MS)]


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _rate(port: int, request: bytes) -> float:
    """Tasks per second of one request, from its first byte to the last of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=len(request))
    started = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(HEAD_END)
    body = await reader.readexactly(length(head))
    seconds = time.perf_counter() - started
    writer.close()
    if json.loads(body)["accepted"] != COUNT:
        raise RuntimeError(f"not all were accepted: {body[:200]!r}")
    return COUNT / seconds


async def _script_ms(redis: Redis) -> float:
    stats = await redis.execute("INFO", "commandstats")
    return float(stats["cmdstat_evalsha"]["usec"]) / 1_000
