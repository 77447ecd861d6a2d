"""arq's `enqueue_job`."""

from arq import create_pool
from arq.connections import RedisSettings

from tests.benchmarks.producers.callers import by_callers, report


async def measure(url: str, count: int) -> dict[str, float]:
    """One pool, 64 callers."""
    pool = await create_pool(RedisSettings.from_dsn(url))
    measured = await by_callers(lambda: pool.enqueue_job("add", 2, 3), count)
    await pool.aclose()
    return {"submit": measured}


if __name__ == "__main__":
    report(measure)
