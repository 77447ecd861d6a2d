"""Celery may be absent, as in the service's own environment: then nothing here is collected."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterator

import pytest

from bridge import TaskClient
from tests.contract.watched import watched_client
from tests.servers import celery_worker

collect_ignore_glob = [] if importlib.util.find_spec("celery") else ["test_*.py"]


@pytest.fixture(scope="module")
def worker(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker on the shared server; the first task waits until it is up."""
    child = celery_worker(shared_url, tmp_path_factory.mktemp("worker") / "log")
    with asyncio.Runner() as runner:
        runner.run(child.start())
        yield
        runner.run(child.stop())


@pytest.fixture
async def client(shared_url: str, worker: None) -> AsyncIterator[TaskClient]:
    """A client, and a watcher that follows what becomes of its tasks."""
    async with watched_client(shared_url) as opened:
        yield opened
