"""The bridge's parts, opened on a real server that is empty at the start of each test."""

from collections.abc import AsyncIterator

import pytest

from bridge import TaskClient, open_client
from bridge.follow.hub import Hub
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.submissions import identity
from tests.integration.watching import Worker, following, watcher


@pytest.fixture
def settings(shared_url: str) -> BridgeSettings:
    return BridgeSettings.load(redis_url=shared_url)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def redis(settings: BridgeSettings) -> AsyncIterator[Redis]:
    """The gateway to the shared server, which is empty."""
    async with Redis.open(settings.redis_url, settings) as gateway:
        await gateway.execute("FLUSHALL")
        await gateway.execute("SCRIPT", "FLUSH")
        yield gateway


@pytest.fixture
async def store(redis: Redis, settings: BridgeSettings) -> AsyncIterator[StatusStore]:
    async with StatusStore.open(redis, settings) as opened:
        yield opened


@pytest.fixture
async def publisher(redis: Redis, settings: BridgeSettings, clock: Clock) -> AsyncIterator[Publisher]:
    async with Publisher.open(redis, settings, identity(clock)) as opened:
        yield opened


@pytest.fixture
async def client(redis: Redis, settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    """A client of the shared server, which is empty."""
    async with open_client(settings) as opened:
        yield opened


@pytest.fixture
async def hub(redis: Redis, settings: BridgeSettings) -> AsyncIterator[Hub]:
    async with Hub.open(redis, settings) as opened:
        yield opened


@pytest.fixture
async def worker(redis: Redis, store: StatusStore, clock: Clock) -> AsyncIterator[Worker]:
    """A worker that is heard by a watcher."""
    async with following(redis, watcher(redis, store, clock)) as heard:
        yield heard
