"""`TaskClient.submit`, recorded and with its `task-sent` event."""

from bridge import open_client
from bridge.settings import BridgeSettings
from tests.benchmarks.producers.callers import by_callers, report


async def measure(url: str, count: int) -> dict[str, float]:
    """One client, 64 callers."""
    async with open_client(BridgeSettings.load(redis_url=url, max_queue_depth=100_000_000)) as tasks:
        return {"submit": await by_callers(lambda: tasks.submit("bench.add", (2, 3)), count)}


if __name__ == "__main__":
    report(measure)
