"""The installation that most stories share, and the logs of all processes where a story fails."""

from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.acceptance.api import Api
from tests.acceptance.installation import STOCK_APP, Installation
from tests.acceptance.waiting import until

SHARED_INLINE_BYTES = 65_536
"""Updates of the shared installation may be this large, so that a few hundred fill every buffer on their way."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for installation in [value for value in item.funcargs.values() if isinstance(value, Installation)]:
            report.sections.extend((f"log of {name}", text) for name, text in installation.log.latest().items())
    return report


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """A server, a watcher, a worker of the shipped tasks (queue ``celery``) and one of other tasks (``stock``)."""
    directory = tmp_path_factory.mktemp("shared")
    inline = {"PETIOLE_RESULT_INLINE_BYTES": str(SHARED_INLINE_BYTES), "PETIOLE_FETCH_ALLOW_PRIVATE": "true"}
    async with Installation.open(directory, **inline) as installation:
        workers = (installation.worker("celery"), installation.worker("stock", app=STOCK_APP))
        async with installation.running(installation.watcher(), *workers):
            yield installation


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def api(shared: Installation) -> AsyncIterator[Api]:
    """A replica of the shared installation, which is ready for work."""
    async with shared.api() as replica:
        await until(lambda: _is_ready(replica))
        yield replica


async def _is_ready(api: Api) -> bool:
    workers = (await api.http.get("/v1/workers")).json()["workers"]
    ready = (await api.http.get("/readyz")).status_code == httpx.codes.OK
    return ready and sum(worker["online"] for worker in workers) >= 2


@pytest_asyncio.fixture(loop_scope="package")
async def own(tmp_path: Path) -> AsyncIterator[Installation]:
    """A server of the story's own, to restart and to starve; nothing else runs on it yet."""
    async with Installation.open(tmp_path, "--appendfsync", "always") as installation:
        yield installation


@pytest_asyncio.fixture(loop_scope="package")
async def lifetimes() -> AsyncIterator[AsyncExitStack]:
    """Ends at the end of a story what it started."""
    async with AsyncExitStack() as stack:
        yield stack
