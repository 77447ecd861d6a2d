"""Watchers come, go and are killed; each update comes once, and each end arrives."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.api import Api, assert_complete, names
from tests.acceptance.installation import STOCK_APP, Installation
from tests.acceptance.pace import Pace
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
STEPS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def unwatched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """Workers, and no watcher: one of Petiole's kind (queue ``stock``), and one as Celery's own command starts it,
    which sends no task events (queue ``silent``)."""
    async with Installation.open(tmp_path_factory.mktemp("unwatched")) as installation:
        workers = (installation.worker("stock", app=STOCK_APP), installation.plain_celery_worker("silent"))
        async with installation.running(*workers):
            yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def front(unwatched: Installation) -> AsyncIterator[Api]:
    """A replica of the API."""
    async with unwatched.api() as replica:
        yield replica


async def test_a_watcher_that_is_killed_in_the_middle_of_a_task_is_missed_until_another_comes_and_not_longer(
    front: Api, unwatched: Installation
) -> None:
    task_id = await front.submit("stock.paced", STEPS, queue="stock")
    pace = Pace.of(unwatched, task_id)
    async with front.stream(task_id) as stream:
        async with unwatched.running(unwatched.watcher()) as (doomed,):
            await pace.runs()
            await pace.step()
            updates = await stream.until("progress")
            await doomed.kill()
        async with unwatched.running(unwatched.watcher()):
            await pace.step(STEPS - 1)
            assert_complete([*updates, *await stream.rest()])


@pytest.mark.parametrize("queue", ["stock", "silent"])
async def test_the_end_of_a_task_that_no_watcher_was_there_to_hear_of_arrives_when_one_comes(
    front: Api, unwatched: Installation, queue: str
) -> None:
    task_id = await front.submit("stock.add", 2, 3, queue=queue)
    await _stored(unwatched, task_id)
    async with front.stream(task_id) as stream:
        first = await stream.next()
        assert first.name == "submitted"
        async with unwatched.running(unwatched.watcher()):
            updates = [first, *await stream.rest()]
    assert_complete(updates)
    assert updates[-1].content["result"] == 5


async def _stored(installation: Installation, task_id: str) -> None:
    async def is_stored() -> bool:
        return bool(await installation.redis.execute("EXISTS", f"celery-task-meta-{task_id}"))

    await until(is_stored)


async def test_the_end_arrives_from_a_worker_that_sends_no_events(front: Api, unwatched: Installation) -> None:
    async with unwatched.running(unwatched.watcher()):
        task_id = await front.submit("stock.paced", 1, queue="silent")
        await Pace.of(unwatched, task_id).step()
        updates = await front.follow(task_id)
    assert_complete(updates)
    assert "received" not in names(updates)
    assert updates[-1].content["result"] == 1


async def test_a_second_watcher_makes_no_difference_to_tasks_with_progress_and_retries(
    api: Api, shared: Installation
) -> None:
    async with shared.running(shared.watcher()):
        tasks = [("workers.tasks.heavy_task", "seen twice")] * 3 + [("workers.tasks.flaky", 1)] * 3
        task_ids = [await api.submit(task, argument) for task, argument in tasks]
        for updates in await asyncio.gather(*map(api.follow, task_ids)):
            assert_complete(updates)
            told = [json.dumps([update.name, update.attempt, update.progress]) for update in updates]
            assert len(told) == len(set(told)), told


async def test_two_watchers_at_once_tell_each_update_once(front: Api, unwatched: Installation) -> None:
    async with unwatched.running(unwatched.watcher(), unwatched.watcher()):
        for _ in range(5):
            task_id = await front.submit("stock.flood", 20, 10, queue="stock")
            updates = await front.follow(task_id)
            assert_complete(updates)
            assert [update.progress[0] for update in updates if update.progress] == list(range(1, 21))
            told = [name for name in names(updates) if name != "progress"]
            assert len(told) == len(set(told))
