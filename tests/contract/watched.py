"""A client whose tasks are followed by a watcher that hears everything from the beginning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge import TaskClient, open_client
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.clocks import WallClock
from tests.integration.watching import following, watcher


@asynccontextmanager
async def watched_client(url: str) -> AsyncIterator[TaskClient]:
    """The client and the watcher live as long as the block."""
    settings = BridgeSettings.load(redis_url=url)
    async with (
        Redis.open(url, settings) as redis,
        StatusStore.open(redis, settings) as store,
        open_client(settings) as opened,
        following(redis, watcher(redis, store, WallClock())),
    ):
        yield opened
