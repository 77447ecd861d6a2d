"""`TaskClient.submit` by 64 concurrent callers against Celery's own `send_task`, both with a task-sent event."""

import asyncio
import sys
import time

from bridge import connect
from tests.benchmarks.report import Figure, Pairs
from tests.benchmarks.services import Bench

CALLERS = 64
OURS, THEIRS = 20_000, 2_000
ROUNDS = 5
GOAL = 10
FLOOR = 10_000
CELERY = """
import sys, time
from celery import Celery
url, count = sys.argv[1], int(sys.argv[2])
app = Celery(broker=url, backend=url)
app.conf.task_send_sent_event = True
app.send_task("bench.add", (2, 3))
started = time.perf_counter()
for _ in range(count):
    app.send_task("bench.add", (2, 3))
print(count / (time.perf_counter() - started))
"""


async def run(bench: Bench) -> list[Figure]:
    """Measure both in turn, each in a process of its own."""
    pairs = Pairs(ours=[], theirs=[])
    for _ in range(ROUNDS):
        pairs.theirs.append(await _rate("-c", CELERY, bench.redis_url, str(THEIRS)))
        pairs.ours.append(await _rate("-m", "tests.benchmarks.client_submit", bench.redis_url, str(OURS)))
    figures = pairs.figures("TaskClient.submit, 64 callers", "Celery send_task", "tasks/s", at_least=GOAL)
    fastest = Figure(name="TaskClient.submit, fastest round", value=max(pairs.ours), unit="tasks/s", at_least=FLOOR)
    return [*figures, fastest]


async def _rate(*arguments: str) -> float:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return float(said)


async def submits_per_second(url: str, count: int) -> float:
    """How many tasks so many callers queue in a second, each awaiting its own."""
    turns = iter(range(count))

    async with connect(url) as tasks:

        async def caller() -> None:
            for _ in turns:
                await tasks.submit("bench.add", (2, 3))

        await tasks.submit("bench.add", (2, 3))
        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return count / (time.perf_counter() - started)


if __name__ == "__main__":
    import os

    import uvloop

    os.environ["PETIOLE_MAX_QUEUE_DEPTH"] = "100000000"
    print(uvloop.run(submits_per_second(sys.argv[1], int(sys.argv[2]))))
