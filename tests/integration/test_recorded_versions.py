"""What workers of other versions of Celery published, heard by the watcher; recorded, so that it needs no Celery."""

import pytest

from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.submissions import submission, until
from tests.integration.test_recorded_stories import AT_ONCE, EXPECTED, has_ended, play, task_of
from tests.integration.watching import following, watcher
from tests.recorded import recorded, versions

# From this version on a task that rejects its message for good has failed, too.
ENDS = {("5.7", "is_rejected"): "failed"}


def test_every_version_that_we_work_with_is_recorded_but_the_one_that_is_installed() -> None:
    assert versions() == ["5.3", "5.4", "5.5", "5.7"]


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_story_ends_as_it_does_with_the_installed_version(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock, version: str, name: str
) -> None:
    messages = recorded(f"{version}/{name}")
    task_id = task_of(messages)
    await publisher.publish(submission(task_id))

    async with following(redis, watcher(redis, store, clock)):
        await play(redis, messages)
        await until(lambda: has_ended(store, task_id))

    told = (await store.read_after(task_id, 0)).updates
    expected, end = EXPECTED[name]
    assert told[-1].status == ENDS.get((version, name), expected[-1])
    assert {field: told[-1].fields.get(field) for field in end if field != "error"} == {
        field: end[field] for field in end if field != "error"
    }
    if name not in AT_ONCE:
        assert [update.kind for update in told].count("running") == list(expected).count("running")
