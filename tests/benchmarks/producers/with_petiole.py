"""`TaskClient.submit` and `submit_many`, recorded and with their `task-sent` events."""

from bridge import open_client
from bridge.settings import BridgeSettings
from tests.benchmarks.producers.callers import by_callers, rate, report


async def measure(url: str, count: int) -> dict[str, float]:
    """One client: 64 callers, then one that submits all at once."""
    async with open_client(BridgeSettings.load(redis_url=url, max_queue_depth=100_000_000)) as tasks:
        submitted = await by_callers(lambda: tasks.submit("bench.add", (2, 3)), count)
        calls = (("bench.add", (2, 3)) for _ in range(count))
        return {"submit": submitted, "bulk": await rate(lambda: tasks.submit_many(calls), count)}


if __name__ == "__main__":
    report(measure)
