"""What is stored, taken in turn with the events: they are heard on two connections, and mean things by their order."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.redis import Echo
from bridge.watch.passage import Passage

LIMIT = 10_000
"""Results that wait for the events before them. Beyond it nobody reads more, and Redis holds what is published."""
Take = Callable[[News], Awaitable[None]]


class ResultsInTurn:
    """Passes on stored news, those of one task in their order.

    A worker says the last of an attempt, then stores its end: that waits for the events, since what comes after it is
    dropped. It stores progress, then says that the task is retried: the event waits (`all_heard`), while progress is
    taken at once. `events` tells when the events are heard.
    """

    def __init__(self, events: Echo, take: Take, limit: int = LIMIT) -> None:
        self.echo = Echo()
        """Listen to what is stored with it."""
        self._events = events
        self._take = take
        self._waiting: asyncio.Queue[News] = asyncio.Queue(limit)
        self._passage = Passage()
        self._waits: Counter[str] = Counter()
        """By task, how many of its news wait."""

    def __repr__(self) -> str:
        return f"<ResultsInTurn waiting={self._waiting.qsize()}>"

    async def heard(self, news: News) -> None:
        """Take it now, or when its turn comes. Waits while too many wait: then nobody waits for what is stored."""
        if news.final or news.status is Status.RETRYING or news.task_id in self._waits:
            self._waits[news.task_id] += 1
            if self._waiting.full():
                self.echo.let_go()  # by whoever hears events: those that wait here wait for the events
            await self._waiting.put(news)
            self._passage.entered()
        else:
            await self._take(news)

    async def all_heard(self) -> None:
        """Wait until all that was published so far has been heard."""
        if not self._waiting.full():
            await self.echo.returns()

    async def all_taken(self) -> None:
        """Wait until all that was published so far has been taken."""
        await self.all_heard()
        await self._passage.clear()

    async def take_waiting(self) -> None:
        """Take those that wait, after the events that were published before them."""
        waiting = [await self._waiting.get()]
        while not self._waiting.empty():
            waiting.append(self._waiting.get_nowait())
        await self._events.returns()
        for news in waiting:
            await self._take(news)
            self._waits[news.task_id] -= 1
            if not self._waits[news.task_id]:
                del self._waits[news.task_id]
        self._passage.left(len(waiting))
