"""From a worker's publish to the return of `await handle.result()`, against a bare SUBSCRIBE."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

from redis import asyncio as aioredis

from bridge import connect
from tests.benchmarks.report import Figure, Pairs
from tests.benchmarks.services import Bench

ROUNDS = 15
RESULTS = 300
AT_MOST = 1.2
Ask = Callable[[str], None]


async def run(bench: Bench) -> list[Figure]:
    """Measure both in turn, one result after the other, each stored by another process."""
    pairs = Pairs(ours=[], theirs=[])
    async with (
        connect(bench.redis_url) as tasks,
        aioredis.Redis.from_url(bench.redis_url) as redis,
        _storing(bench) as ask,
    ):
        pubsub = redis.pubsub()

        async def ours(key: str, task_id: str) -> float:
            ask(key)
            stored: float = await tasks.result(task_id, timeout=10)
            return time.perf_counter() - stored

        async def bare(key: str, _task_id: str) -> float:
            await pubsub.subscribe(key)
            ask(key)
            while not (message := await pubsub.get_message(ignore_subscribe_messages=True, timeout=10)):
                pass
            heard = time.perf_counter()
            await pubsub.unsubscribe(key)
            return heard - float(json.loads(message["data"])["result"])

        for number in range(ROUNDS):
            pairs.theirs.append(await _microseconds(bare, f"bare-{number}"))
            pairs.ours.append(await _microseconds(ours, f"ours-{number}"))
        await pubsub.aclose()
    return pairs.figures("await handle.result()", "bare SUBSCRIBE", "µs", at_most=AT_MOST)


async def _microseconds(latency: Callable[[str, str], Awaitable[float]], name: str) -> float:
    """The median of many."""
    ids = [f"{name}-{number}" for number in range(RESULTS)]
    return median([await latency(f"celery-task-meta-{task_id}", task_id) for task_id in ids]) * 1_000_000


@asynccontextmanager
async def _storing(bench: Bench) -> AsyncIterator[Ask]:
    """The other process; the block is given what asks it for one result."""
    argv = (sys.executable, "-m", "tests.benchmarks.producers.storing", bench.redis_url)
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE)
    assert process.stdin
    stdin = process.stdin
    try:
        yield lambda key: stdin.write(f"{key}\n".encode())
    finally:
        stdin.close()
        await process.wait()
