"""Waiting with a deadline for what must happen, never for time to pass."""

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE = 30.0
"""Seconds within which everything must have happened that a story waits for; the machine may be busy."""
LOOK_AGAIN = 0.02


async def until(condition: Callable[[], Awaitable[bool]], *, within: float = DEADLINE) -> None:
    """Ask until it is so. Each question is a round trip to a process.

    Raises:
        TimeoutError: it was not so within that many seconds.
    """
    tick = asyncio.Event()
    async with asyncio.timeout(within):
        while not await condition():
            asyncio.get_running_loop().call_later(LOOK_AGAIN, tick.set)
            await tick.wait()
            tick.clear()
