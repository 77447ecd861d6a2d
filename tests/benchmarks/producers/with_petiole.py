"""`TaskClient.submit` and `submit_many`, with records and `task-sent` events; `submit_many` also without records.

Each way in a process of its own: it is the third argument.
"""

import sys

from bridge import Call, TaskClient, open_client
from bridge.settings import BridgeSettings
from bridge.submit.call import SubmitOptions
from tests.benchmarks.producers.callers import by_callers, rate, report


async def submit(tasks: TaskClient, count: int) -> float:
    """64 callers."""
    return await by_callers(lambda: tasks.submit("bench.add", (2, 3)), count)


async def bulk(tasks: TaskClient, count: int, options: SubmitOptions | None = None) -> float:
    """One that submits all at once."""
    calls = (Call("bench.add", (2, 3), options=options or {}) for _ in range(count))
    return await rate(lambda: tasks.submit_many(calls), count)


async def bare(tasks: TaskClient, count: int) -> float:
    """As `bulk`, and leaves Celery's own keys alone."""
    return await bulk(tasks, count, {"record": False})


WAYS = {"submit": submit, "bulk": bulk, "bare": bare}


async def measure(url: str, count: int) -> dict[str, float]:
    """One client, in the way that is asked for."""
    way = sys.argv[3]
    async with open_client(BridgeSettings.load(redis_url=url, max_queue_depth=100_000_000)) as tasks:
        return {way: await WAYS[way](tasks, count)}


if __name__ == "__main__":
    report(measure)
