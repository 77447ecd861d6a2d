"""Listing the newest 100 of 100,000 tasks against the newest 100 of 1,000, over HTTP, in turn."""

import time
from statistics import median

import httpx

from app.cli.ports import free_port
from bridge import open_client
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.report import Figure, Pairs
from tests.benchmarks.services import Bench

FEW, MANY = 1_000, 100_000
PREFIX = {FEW: "few:", MANY: "many:"}
"""Both on one server: what each installation lists begins with its prefix."""
REQUESTS = 40
ROUNDS = 9
GOAL = 1.5
AT_ONCE = 5_000


async def run(bench: Bench) -> list[Figure]:
    """Fill both, then ask each for its newest tasks, over and over."""
    urls = {}
    for count, prefix in PREFIX.items():
        await _fill(bench.redis_url, prefix, count)
        port = free_port()
        await bench.start_api(port, PETIOLE_PREFIX=prefix, PETIOLE_RATE_LIMIT="0")
        urls[count] = f"http://127.0.0.1:{port}/v1/tasks?limit=100"
    pairs = Pairs(ours=[], theirs=[])
    async with httpx.AsyncClient(trust_env=False) as http:
        await _milliseconds(http, urls[MANY])
        await _milliseconds(http, urls[FEW])
        for _ in range(ROUNDS):
            pairs.theirs.append(await _milliseconds(http, urls[FEW]))
            pairs.ours.append(await _milliseconds(http, urls[MANY]))
    return pairs.figures(f"newest 100 of {MANY:,} tasks", f"newest 100 of {FEW:,} tasks", "ms", at_most=GOAL)


async def _fill(url: str, prefix: str, count: int) -> None:
    settings = BridgeSettings.load(redis_url=url, prefix=prefix, max_queue_depth=10 * MANY)
    async with open_client(settings) as tasks:
        for start in range(0, count, AT_ONCE):
            some = min(AT_ONCE, count - start)
            await tasks.submit_many(("bench.none", (number,)) for number in range(start, start + some))
    async with Redis.open(url, settings) as redis:
        assert int(await redis.execute("ZCARD", f"{prefix}index")) == count


async def _milliseconds(http: httpx.AsyncClient, url: str) -> float:
    """The median time of one answer."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        answer = await http.get(url)
        times.append((time.perf_counter() - began) * 1_000)
        assert len(answer.json()["tasks"]) == 100
    return median(times)
