"""Workers are killed in the middle of a task."""

import json
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import STOCK_APP, Installation
from tests.acceptance.pace import Pace
from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """A watcher that soon takes a silent worker for dead."""
    soon = {"PETIOLE_LOST_AFTER": "3", "PETIOLE_SWEEP_SECONDS": "1"}
    directory = tmp_path_factory.mktemp("impatient")
    async with Installation.open(directory, **soon) as installation, installation.running(installation.watcher()):
        yield installation


async def test_a_task_whose_process_is_killed_runs_again_and_succeeds(api: Api, shared: Installation) -> None:
    async with Site.serve() as site:
        task_id = await api.submit("workers.tasks.fetch_url", site.url)
        await site.is_asked()
        stored = await shared.redis.execute("GET", f"celery-task-meta-{task_id}")
        os.kill(json.loads(stored)["result"]["pid"], signal.SIGKILL)
        await site.is_asked()
        site.open.set()
        updates = await api.follow(task_id)
    assert_complete(updates)
    assert updates[-1].content["result"]["status"] == 200


async def test_a_task_whose_time_limit_has_passed_fails_and_says_so(api: Api) -> None:
    updates = await api.follow(await api.submit("stock.paced", 1, queue="stock", time_limit=0.5))
    assert_complete(updates, "failed")
    assert updates[-1].content["error"]["type"] == "TimeLimitExceeded"
    assert_complete(await api.follow(await api.submit("stock.add", 1, 1, queue="stock")))


@pytest.mark.parametrize("comes_back", [False, True])
async def test_a_task_that_was_acknowledged_before_it_ran_is_lost_with_its_worker(
    impatient: Installation, comes_back: bool
) -> None:
    queue = f"doomed-{comes_back}"
    async with impatient.api() as api, impatient.running(impatient.worker(queue, app=STOCK_APP)) as (worker,):
        task_id = await api.submit("stock.paced", 1, queue=queue)
        await Pace.of(impatient, task_id).runs()
        async with api.stream(task_id) as stream:
            updates = await stream.until("running")
            await worker.kill()
            if comes_back:
                await worker.start()
            updates += await stream.rest()
        assert_complete(updates, "lost")
        assert updates[-1].content["error"]["type"] == "WorkerLostError"
        assert (await api.http.get(f"/v1/tasks/{task_id}/result")).status_code == 409
