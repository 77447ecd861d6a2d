"""One real server for all tests here, emptied before each; and the bridge's parts, opened on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli.embedded import embedded_server, find_binary, server_url
from app.cli.ports import free_port
from app.cli.processes import Child
from bridge.hub import Hub
from bridge.publisher import Publisher
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.status_store import StatusStore
from tests.integration.submissions import Clock, identity


def server(port: int, directory: Path) -> Child:
    """A server that says nothing unless something is wrong, so that nobody needs to read its output."""
    service = embedded_server(find_binary(), port, directory)
    return Child(replace(service, argv=(*service.argv, "--loglevel", "warning")))


@pytest.fixture(scope="session")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server that tests share."""
    port = free_port()
    child = server(port, tmp_path_factory.mktemp("redis"))
    with asyncio.Runner() as runner:
        runner.run(child.__aenter__())
        yield server_url(port)
        runner.run(child.stop())


@pytest.fixture
def own_port() -> int:
    return free_port()


@pytest.fixture
def own_url(own_port: int) -> str:
    return server_url(own_port)


@pytest.fixture
async def own_server(own_port: int, tmp_path: Path) -> AsyncIterator[Child]:
    """A server of the test's own, to kill and to start again."""
    async with server(own_port, tmp_path) as child:
        yield child


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
async def hub(redis: Redis, settings: BridgeSettings) -> AsyncIterator[Hub]:
    async with Hub.open(redis, settings) as opened:
        yield opened
