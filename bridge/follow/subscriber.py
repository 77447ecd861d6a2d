"""Readers of the live feed, each behind a bounded buffer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bridge.errors import BrokerUnavailable, ClientClosed, SubscriberTooSlow
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.records.status import StatusUpdate

RETRY_SECONDS = 1.0
Item = TypeVar("Item")
Step = TypeVar("Step")


class Buffer(Generic[Item]):
    """What waits for one reader. Holds `limit` updates; a reader that lets more gather is dropped."""

    __slots__ = ("_dropped", "_ended", "_limit", "_stale", "_updates", "_wake")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._updates: deque[Item] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._stale = False
        self._dropped = False
        self._ended = False

    def __repr__(self) -> str:
        return f"<{self} waiting={len(self._updates)} stale={self._stale} dropped={self._dropped}>"

    def put(self, update: Item) -> None:
        """Hand over an update; called by the hub."""
        if len(self._updates) >= self._limit:
            self._dropped = True
        else:
            self._updates.append(update)
        self._notify()

    def mark_stale(self) -> None:
        """Say that updates may have been missed; called by the hub."""
        self._stale = True
        self._notify()

    def end(self) -> None:
        """Say that nothing will follow what waits; called by the hub at its end."""
        self._ended = True
        self._notify()

    def take(self) -> list[Item]:
        """All updates that wait.

        Raises:
            SubscriberTooSlow: more than the limit had gathered.
            ClientClosed: nothing waits, and nothing will.
        """
        if self._dropped:
            raise SubscriberTooSlow(f"{self} was more than {self._limit} updates behind.")
        if self._ended and not self._updates:
            raise ClientClosed
        updates = list(self._updates)
        self._updates.clear()
        return updates

    def was_stale(self) -> bool:
        """Whether the history must be read again; asking resets it."""
        stale, self._stale = self._stale, False
        return stale

    async def caught_up(
        self, catch_up: Callable[[], Awaitable[list[Step]]], retry_seconds: float = RETRY_SECONDS
    ) -> list[Step]:
        """What `catch_up` reads. Nothing when Redis is away, and then it is to be asked again after `retry_seconds`: an
        outage delays a stream, it does not end it.
        """
        try:
            return await catch_up()
        except BrokerUnavailable:
            await asyncio.sleep(retry_seconds)
            self.mark_stale()
            return []

    async def wait(self, timeout: float) -> bool:
        """Wait for something new; False when there was nothing for `timeout` seconds."""
        if self._has_something():
            return True
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(timeout, self._notify)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None
        return self._has_something()

    def wake(self) -> None:
        """Make a reader that waits look up, though there is nothing new."""
        self._notify()

    def _has_something(self) -> bool:
        return bool(self._updates) or self._stale or self._dropped or self._ended

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Subscriber(Buffer[StatusUpdate]):
    """A reader of one task's updates."""

    __slots__ = ("task_id",)

    def __init__(self, task_id: str, limit: int) -> None:
        super().__init__(limit)
        self.task_id = task_id

    def __str__(self) -> str:
        return f"Subscriber {self.task_id}"


class Listener(Buffer[FeedEntry]):
    """A reader of the updates of many tasks."""

    __slots__ = ("selection",)

    def __init__(self, selection: Selection, limit: int) -> None:
        super().__init__(limit)
        self.selection = selection

    def __str__(self) -> str:
        return f"Listener {self.selection}"
