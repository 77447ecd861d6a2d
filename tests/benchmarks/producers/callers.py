"""How the asyncio producers are measured. Imports nothing that only one of their environments has."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

CALLERS = 64


async def by_callers(submit: Callable[[], Awaitable[object]], count: int) -> float:
    """Tasks a second, by 64 callers that each await one submit after the other."""
    turns = iter(range(count))

    async def caller() -> None:
        for _ in turns:
            await submit()

    await submit()
    return await rate(lambda: asyncio.gather(*(caller() for _ in range(CALLERS))), count)


async def rate(submit_all: Callable[[], Awaitable[object]], count: int) -> float:
    """Tasks a second of a call that submits so many."""
    started = time.perf_counter()
    await submit_all()
    return count / (time.perf_counter() - started)


def report(measure: Callable[[str, int], Awaitable[dict[str, float]]]) -> None:
    """Run `measure` with the URL and the count of the command line, and print what it says."""

    async def measured() -> dict[str, float]:
        return await measure(sys.argv[1], int(sys.argv[2]))

    print(json.dumps(asyncio.run(measured())))
