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
        await _stop(tasks)


async def unless_failed(value: Awaitable[Any], earlier: Iterable[Awaitable[Any]]) -> Any:
    """`value`, or the first error of what runs earlier, without which it would never come."""
    awaited, before = asyncio.ensure_future(value), asyncio.ensure_future(all_of(earlier))
    try:
        await asyncio.wait([awaited, before], return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            await before
        return await awaited
    finally:
        await _stop([awaited, before])


async def _stop(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
