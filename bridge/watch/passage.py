"""A passage: counts what goes into a queue and what has come out of it, so that one can wait for what is in it."""

import asyncio
from collections.abc import Awaitable


class Passage:
    """Of a queue that keeps the order."""

    def __init__(self) -> None:
        self._entered = self._left = 0
        self._moved = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Passage {self._entered - self._left} within>"

    def entered(self) -> None:
        """One more is in it."""
        self._entered += 1

    def left(self, count: int) -> None:
        """So many are done with."""
        self._left += count
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def clear(self) -> Awaitable[None]:
        """Await it for all that is in it at the call to be done with."""
        return self._have_left(self._entered)

    async def _have_left(self, until: int) -> None:
        while self._left < until:
            await self._moved.wait()
