"""For every test: no setting comes from the environment, so none reaches a server that it names; servers of our own."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.cli.ports import free_port
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from tests.servers import redis_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="every version of Celery, every pool of its workers, and as many cases as an hour allows",
    )


@pytest.fixture(scope="session")
def everything(pytestconfig: pytest.Config) -> bool:
    """Whether this run is to leave nothing out, however long that takes."""
    return bool(pytestconfig.getoption("--all"))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for variable in [name for name in os.environ if name.upper().startswith("PETIOLE_")]:
            environment.delenv(variable)
        yield


@pytest.fixture(scope="session")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server that tests share."""
    port = free_port()
    child = redis_server(port, tmp_path_factory.mktemp("redis"))
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
    async with redis_server(own_port, tmp_path) as child:
        yield child
