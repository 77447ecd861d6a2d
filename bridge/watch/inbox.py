"""The inbox: news on its way into the status store, in order, in batches, until Redis has taken it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.errors import BrokerUnavailable, PetioleError
from bridge.protocol.attempts import ResultCounter
from bridge.protocol.news import News
from bridge.records.status_store import Advanced, StatusStore
from bridge.watch.passage import Passage

logger = logging.getLogger(__name__)
LIMIT = 10_000
"""News that may wait. Beyond it the readers wait too, and Redis holds what is published for them, or cuts them off;
then the sweep finds what they missed."""
BATCH = 200
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A piece of news, and the counter of its source if that wants to know the attempt."""

    news: News
    counter: ResultCounter | None = None


Answered = Callable[[Letter, Advanced], None]


class Inbox:
    """Takes news from the readers and advances tasks by it. `answered` is told what became of each piece."""

    def __init__(self, store: StatusStore, clock_ms: Callable[[], int], answered: Answered) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._answered = answered
        self._letters: asyncio.Queue[Letter] = asyncio.Queue(LIMIT)
        self._passage = Passage()
        self.lag_ms = 0
        """Age of the oldest news in the latest batch when it was recorded."""

    def __repr__(self) -> str:
        return f"<Inbox waiting={self._letters.qsize()} lag_ms={self.lag_ms}>"

    async def put(self, letter: Letter) -> None:
        """Hand over news; waits while the inbox is full."""
        if letter.counter:
            letter.counter.told(letter.news)
        await self._letters.put(letter)
        self._passage.entered()

    async def delivered(self) -> None:
        """Wait until all that was handed over so far has been recorded."""
        await self._passage.clear()

    async def deliver_for_ever(self) -> None:
        """Advance tasks, batch after batch. Redis being away delays news, never loses it."""
        while True:
            batch = [await self._letters.get()]
            while len(batch) < BATCH and not self._letters.empty():
                batch.append(self._letters.get_nowait())
            outcomes = await self._advance(batch)
            self.lag_ms = self._clock_ms() - batch[0].news.at_ms
            for letter, outcome in zip(batch, outcomes, strict=False):
                if letter.counter:
                    letter.counter.answered(letter.news, outcome.attempt)
                self._answered(letter, outcome)
            self._passage.left(len(batch))

    async def _advance(self, batch: Sequence[Letter]) -> Sequence[Advanced]:
        while True:
            try:
                return await self._store.advance([letter.news for letter in batch])
            except BrokerUnavailable as error:
                logger.warning("%d pieces of news wait for Redis: %s", len(batch), error)
                await asyncio.sleep(RETRY_SECONDS)
            except PetioleError:
                logger.exception("news of %s cannot be recorded", [letter.news.task_id for letter in batch])
                return []
