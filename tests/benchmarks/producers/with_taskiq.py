"""taskiq's `kiq`, on a Redis list."""

from taskiq_redis import ListQueueBroker

from tests.benchmarks.producers.callers import by_callers, report


async def measure(url: str, count: int) -> dict[str, float]:
    """One broker, 64 callers."""
    broker = ListQueueBroker(url)

    async def add(one: int, other: int) -> int:
        return one + other

    task = broker.task(task_name="bench.add")(add)
    await broker.startup()
    measured = await by_callers(lambda: task.kiq(2, 3), count)
    await broker.shutdown()
    return {"submit": measured}


if __name__ == "__main__":
    report(measure)
