"""streaq's `enqueue`, and its `enqueue_many` by as many as Petiole sends in one round trip."""

from streaq import Worker

from tests.benchmarks.producers.callers import by_callers, rate, report

BULK = 128


async def measure(url: str, count: int) -> dict[str, float]:
    """One worker object, which does not work here: 64 callers, then one that submits in bulk."""
    worker: Worker[None] = Worker(redis_url=url)

    async def add(one: int, other: int) -> int:
        return one + other

    task = worker.task(add)

    async def in_bulk() -> None:
        for _ in range(0, count, BULK):
            await worker.enqueue_many([task.enqueue(2, 3) for _ in range(BULK)])

    async def one() -> None:
        await task.enqueue(2, 3)

    async with worker:
        return {"submit": await by_callers(one, count), "bulk": await rate(in_bulk, count)}


if __name__ == "__main__":
    report(measure)
