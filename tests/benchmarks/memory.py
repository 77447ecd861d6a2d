"""What one finished `heavy_task` costs in Redis, beside Celery's own keys."""

import asyncio
import sys
from collections.abc import AsyncIterator

from app.cli.processes.child import Service
from bridge import StatusUpdate, connect
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

TASKS = 60
GOAL = 1_536


async def run(bench: Bench) -> list[Figure]:
    """Run real tasks on a real worker; then see what Redis gives back when their keys are deleted."""
    settings = BridgeSettings.load(redis_url=bench.redis_url)
    env = {"PETIOLE_REDIS_URL": bench.redis_url}
    for role in ("watcher", "worker"):
        await bench.supervisor.start(Service(name=role, argv=(sys.executable, "-m", "app.cli", role), env=env))
    async with connect(bench.redis_url) as tasks, Redis.open(bench.redis_url, settings) as redis:
        ids = [(await tasks.submit("workers.tasks.heavy_task", ["sample payload"])).task_id for _ in range(TASKS)]
        await asyncio.gather(*(_end(tasks.follow(task_id)) for task_id in ids))
        keys = [f"{settings.prefix}{kind}:{task_id}" for task_id in ids for kind in ("task", "history")]
        sizes = [int(await redis.execute("MEMORY", "USAGE", key, "SAMPLES", 0)) for key in keys]
        given_back = await _given_back(redis, keys)
    return [
        Figure(name="record and history, by MEMORY USAGE", value=sum(sizes) / TASKS, unit="bytes", at_most=GOAL),
        Figure(name="given back by deleting them", value=given_back / TASKS, unit="bytes", at_most=GOAL),
    ]


async def _end(updates: AsyncIterator[StatusUpdate]) -> None:
    async for _ in updates:
        pass


async def _given_back(redis: Redis, keys: list[str]) -> int:
    before = await _used(redis)
    await redis.execute("DEL", *keys)
    return before - await _used(redis)


async def _used(redis: Redis) -> int:
    return int((await redis.execute("INFO", "memory"))["used_memory"])
