"""`TaskClient.submit` by 64 callers, and `submit_many`, against Celery's `send_task`, arq, taskiq and streaq.

Each in a process of its own, all on asyncio's own event loop, on a server that is empty and has just written its file
anew, so that none has to share the machine with Redis writing anew what another has left.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from redis import asyncio as aioredis

from tests.acceptance.waiting import until
from tests.benchmarks.producers.with_petiole import WAYS
from tests.benchmarks.report import Figure, Pairs
from tests.benchmarks.services import Bench
from tests.environments import environment

ROUNDS = 9
COUNT = {"petiole": 20_000, "celery": 2_000, "arq": 4_000, "taskiq": 4_000, "streaq": 4_096}
GOALS = {"celery": 15, "arq": 5, "taskiq": 5, "streaq": 5}
"""How many times as fast `submit` is to be."""
BULK_GOAL = 30
"""How many times as fast as Celery `submit_many` is to be: Celery has nothing like it."""
FLOOR = 10_000
Round = Mapping[str, Mapping[str, float]]
"""Tasks per second of one round: by producer, by the way it submits."""


async def run(bench: Bench) -> list[Figure]:
    """Measure all of them in turn, so often."""
    with environment("rivals", "rivals") as python:
        pythons = {name: python if name in ("taskiq", "streaq") else Path(sys.executable) for name in COUNT}
        rounds = [{name: await _rates(bench, pythons[name], name) for name in COUNT} for _ in range(ROUNDS)]
    submits, bulks, bare = ([one["petiole"][way] for one in rounds] for way in ("submit", "bulk", "bare"))
    theirs = {name: [one[name]["submit"] for one in rounds] for name in GOALS}
    in_bulk = Pairs(ours=bulks, theirs=theirs["celery"]).ratio
    return [
        Figure(name="TaskClient.submit, 64 callers", value=median(submits), unit="tasks/s"),
        *(
            figure
            for name, goal in GOALS.items()
            for figure in Pairs(ours=submits, theirs=theirs[name]).compared(name, "tasks/s", at_least=goal)
        ),
        Figure(name="TaskClient.submit, fastest round", value=max(submits), unit="tasks/s", at_least=FLOOR),
        Figure(name="TaskClient.submit_many", value=median(bulks), unit="tasks/s"),
        Figure(name="  ratio to celery", value=in_bulk, unit="×", at_least=BULK_GOAL),
        Figure(name="TaskClient.submit_many, record=False", value=median(bare), unit="tasks/s"),
        Figure(name="  ratio to celery", value=Pairs(ours=bare, theirs=theirs["celery"]).ratio, unit="×"),
        *Pairs(ours=bulks, theirs=[one["streaq"]["bulk"] for one in rounds]).compared("streaq in bulk", "tasks/s"),
    ]


async def _rates(bench: Bench, python: Path, name: str) -> dict[str, float]:
    rates: dict[str, float] = {}
    for way in WAYS if name == "petiole" else ("",):
        await _emptied(bench)
        argv = (str(python), "-m", f"tests.benchmarks.producers.with_{name}", bench.redis_url, str(COUNT[name]), way)
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        rates |= json.loads(said)
    return rates


async def _emptied(bench: Bench) -> None:
    async with aioredis.Redis.from_url(bench.redis_url) as redis:
        await redis.flushall()
        await redis.bgrewriteaof()

        async def written() -> bool:
            return not (await redis.info("persistence"))["aof_rewrite_in_progress"]

        await until(written)
