"""`TaskClient.submit` and `submit_many`, with records and `task-sent` events; `submit_many` also without records."""

from bridge import Call, open_client
from bridge.settings import BridgeSettings
from tests.benchmarks.producers.callers import by_callers, rate, report


async def measure(url: str, count: int) -> dict[str, float]:
    """One client: 64 callers, then one that submits all at once, then one that leaves Celery's own keys alone."""
    async with open_client(BridgeSettings.load(redis_url=url, max_queue_depth=100_000_000)) as tasks:
        submitted = await by_callers(lambda: tasks.submit("bench.add", (2, 3)), count)
        calls = (("bench.add", (2, 3)) for _ in range(count))
        bulk = await rate(lambda: tasks.submit_many(calls), count)
        bare_calls = (Call("bench.add", (2, 3), options={"record": False}) for _ in range(count))
        return {"submit": submitted, "bulk": bulk, "bare": await rate(lambda: tasks.submit_many(bare_calls), count)}


if __name__ == "__main__":
    report(measure)
