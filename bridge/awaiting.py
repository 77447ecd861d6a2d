"""Several things awaited at once, of which nothing goes on once one of them has failed."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any


async def all_of(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """What all return, in their order. Raises the first error."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await stop(tasks)


async def stop(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    """Cancel those that have not ended, and wait until all have."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
