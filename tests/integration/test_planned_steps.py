"""Later steps of a workflow are known from its start, and end when they will never run."""

import pytest

from bridge import TaskClient, chain, chord, connect, group, signature
from bridge.errors import QueueSaturated
from bridge.feed_entry import FeedEntry, Selection
from bridge.planned_steps import GRACE_MS, PlannedSteps
from bridge.protocol.state import Status
from bridge.redis import Redis
from bridge.status_store import StatusStore
from bridge.task_list import TaskFilter
from tests.integration.telling import AT_MS, news

LATER = AT_MS + GRACE_MS
A, B, C, D = (signature(name) for name in "abcd")


async def statuses(client: TaskClient, batch: str = "w1") -> dict[str | None, str]:
    page = await client.tasks.page(TaskFilter(batch=batch))
    return {record.task: record.status for record in page.tasks}


async def ids(client: TaskClient, batch: str = "w1") -> dict[str | None, str]:
    page = await client.tasks.page(TaskFilter(batch=batch))
    return {record.task: record.task_id for record in page.tasks}


async def test_every_step_is_known_and_of_the_batch_before_its_turn_comes(client: TaskClient, redis: Redis) -> None:
    cursor = await client.feed.end()
    result = await client.start_batch(chain(A, group(B, C), D), "w1")
    assert await statuses(client) == dict.fromkeys("abcd", "submitted")
    assert await redis.execute("LLEN", "celery") == 1
    assert (await client.record(result.id)).batch_id == "w1"
    with client.feed.following(Selection(batches={"w1"}), cursor) as follower:
        steps = [step for step in await follower.catch_up() if isinstance(step, FeedEntry)]
    assert sorted(str(step.task) for step in steps) == ["a", "b", "c", "d"]


async def test_later_steps_are_of_the_owner(client: TaskClient) -> None:
    result = await client.as_owner("ann").start_batch(chain(A, B), "w1")
    assert (await client.as_owner("ann").record(result.id)).task == "b"
    assert await statuses(client.as_owner("ann")) == {"a": "submitted", "b": "submitted"}
    assert await statuses(client.as_owner("bob")) == {}


async def test_a_step_goes_on_when_a_worker_begins_with_it(client: TaskClient, store: StatusStore) -> None:
    await client.start_batch(chain(A, B), "w1")
    known = await ids(client)
    await store.advance([news(Status.SUCCEEDED, task_id=known["a"])])
    await store.advance([news(Status.RUNNING, task_id=known["b"])])
    assert await PlannedSteps(store).conclude(LATER) == 0
    assert await statuses(client) == {"a": "succeeded", "b": "running"}


async def test_steps_after_one_that_failed_are_cancelled_one_after_another_when_no_worker_tells_of_them(
    client: TaskClient, store: StatusStore
) -> None:
    await client.start_batch(chain(A, B, C), "w1")
    known = await ids(client)
    planned = PlannedSteps(store)
    await store.advance([news(Status.FAILED, task_id=known["a"])])
    assert await planned.conclude(LATER - 1) == 0
    assert await planned.conclude(LATER) == 1
    assert await planned.conclude(LATER + GRACE_MS) == 1
    assert await statuses(client) == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    last = (await client.record(known["b"])).last
    assert last is not None
    assert last.error == {"type": "NeverStarted", "message": f"it waits for {known['a']}, which is failed"}


@pytest.mark.parametrize(("end", "body"), [(Status.FAILED, "submitted"), (Status.CANCELLED, "cancelled")])
async def test_the_body_of_a_chord_is_told_of_a_failure_by_a_worker_and_of_nothing_else(
    client: TaskClient, store: StatusStore, end: Status, body: str
) -> None:
    await client.start_batch(chord([A, B], C), "w1")
    await store.advance([news(end, task_id=(await ids(client))["a"])])
    await PlannedSteps(store).conclude(LATER)
    assert (await statuses(client))["c"] == body


async def test_what_has_started_or_ended_is_not_looked_at_again(
    client: TaskClient, store: StatusStore, redis: Redis
) -> None:
    await client.start_batch(chain(A, B), "w1")
    known = await ids(client)
    assert await redis.execute("ZRANGE", "petiole:planned", 0, -1) == [known["b"].encode()]
    await store.advance([news(Status.RUNNING, task_id=known["b"])])
    await PlannedSteps(store).conclude(LATER)
    assert not await redis.execute("EXISTS", "petiole:planned")


async def test_a_workflow_that_is_refused_is_not_queued_at_all_and_its_steps_end(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url, max_queue_depth=1) as client:
        with pytest.raises(QueueSaturated):
            await client.start_batch(chord([A, B], C), "w1")
        assert await statuses(client) == {"c": "cancelled"}
    assert not await redis.execute("EXISTS", "celery")


async def test_what_a_chord_counts_with_is_there_on_a_backend_of_its_own(redis: Redis, shared_url: str) -> None:
    backend = shared_url.removesuffix("/0") + "/1"
    async with connect(shared_url, backend=backend) as client, Redis.open(backend, client.settings) as results:
        await client.start_batch(chord([A, B], C), "w1")
        (key,) = await results.execute("KEYS", "celery-taskset-meta-*.s")
        assert await results.execute("GET", key) == b"2"
    assert await redis.execute("LLEN", "celery") == 2


async def test_a_large_group_is_one_call(client: TaskClient, redis: Redis) -> None:
    await client.start_batch(group(signature("a", (number,)) for number in range(600)), "w1")
    assert await redis.execute("LLEN", "celery") == 600
