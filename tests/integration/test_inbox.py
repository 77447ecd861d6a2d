"""News on its way into the store, while Redis comes and goes."""

import asyncio
from collections.abc import Sequence

import pytest

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status_store import Advanced, StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.watch.inbox import Inbox, Letter
from tests.clocks import Clock
from tests.integration.submissions import DEADLINE


class Troubled(StatusStore):
    """A store that fails before it does what it is told."""

    def __init__(self, redis: Redis, settings: BridgeSettings, *troubles: Exception) -> None:
        super().__init__(redis, settings)
        self.troubles = list(troubles)

    async def advance(self, news: Sequence[News]) -> list[Advanced]:
        if self.troubles:
            raise self.troubles.pop()
        return await super().advance(news)


class Told:
    """What became of news, for a test to wait for."""

    def __init__(self) -> None:
        self._outcomes: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def __call__(self, letter: Letter, outcome: Advanced) -> None:
        self._outcomes.put_nowait((letter.news.task_id, outcome.seq))

    async def next(self) -> tuple[str, int]:
        async with asyncio.timeout(DEADLINE):
            return await self._outcomes.get()


def letter(task_id: str, clock: Clock) -> Letter:
    return Letter(news=News(task_id=task_id, status=Status.RUNNING, attempt=1, at_ms=clock.ms, adopts=True))


async def test_news_waits_for_redis_and_is_never_lost(redis: Redis, settings: BridgeSettings, clock: Clock) -> None:
    told = Told()
    store = Troubled(redis, settings, BrokerUnavailable("away"))
    inbox = Inbox(store, lambda: clock.ms + 40, told)
    delivering = asyncio.create_task(inbox.deliver_for_ever())

    for task_id in ("a1", "b1"):
        await inbox.put(letter(task_id, clock))

    assert [await told.next(), await told.next()] == [("a1", 1), ("b1", 1)]
    assert inbox.lag_ms == 40
    delivering.cancel()


async def test_news_that_cannot_be_recorded_does_not_stop_what_follows(
    redis: Redis, settings: BridgeSettings, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    inbox = Inbox(Troubled(redis, settings, UnreadableBytes("a key is in the way")), lambda: clock.ms, told)
    await inbox.put(letter("a1", clock))
    delivering = asyncio.create_task(inbox.deliver_for_ever())
    while not caplog.records:
        await redis.execute("PING")

    await inbox.put(letter("b1", clock))

    assert await told.next() == ("b1", 1)
    assert "news of ['a1'] cannot be recorded" in caplog.text
    delivering.cancel()
