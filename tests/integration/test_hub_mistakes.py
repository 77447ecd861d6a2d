"""A mistake while the live feed is read: it is logged, and followers hear on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.follow.hub import Hub
from bridge.redis import Redis, StreamReader
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.integration.submissions import DEADLINE, submission


class Mistaken(Redis):
    """A gateway in whose first stream there is a mistake in the program."""

    mistaken = False

    @asynccontextmanager
    async def stream(self, key: str, cap: int) -> AsyncIterator[StreamReader]:
        if not self.mistaken:
            self.mistaken = True
            raise ZeroDivisionError
        async with super().stream(key, cap) as reader:
            yield reader


async def test_followers_hear_on_after_a_mistake_which_is_logged(
    redis: Redis, publisher: Publisher, settings: BridgeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        Mistaken.open(settings.redis_url, settings) as mistaken,
        Hub.open(mistaken, settings) as hub,
        asyncio.timeout(DEADLINE),
    ):
        with hub.subscribe("a1") as subscriber:
            while not subscriber.was_stale():  # so it is when the feed is read
                await subscriber.wait(timeout=DEADLINE)
                assert subscriber.take() == []
            await publisher.publish(submission("a1"))
            assert await subscriber.wait(timeout=DEADLINE)
            assert [update.kind for update in subscriber.take()] == ["submitted"]
    assert "ZeroDivisionError" in caplog.text
