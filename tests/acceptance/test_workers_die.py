"""Workers are killed in the middle of a task."""

import json
import os
import signal

import pytest

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import Installation
from tests.acceptance.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="package")


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
