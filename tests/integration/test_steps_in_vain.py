"""Steps of a workflow that will never run, since what they wait for has failed or gone."""

import pytest

from bridge import TaskClient, chain, chord
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.submit.planned_steps import GRACE_MS, TOLD_GRACE_MS, PlannedSteps
from tests.integration.steps import LATER, A, B, C, ids, statuses
from tests.integration.telling import AT_MS, news


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


async def test_the_body_of_a_chord_that_no_worker_tells_of_a_failure_is_cancelled_some_time_after_the_header(
    client: TaskClient, store: StatusStore
) -> None:
    await client.start_batch(chord([A, B], C), "w1")
    known, planned = await ids(client), PlannedSteps(store)
    await store.advance([news(Status.FAILED, task_id=known["a"])])
    assert await planned.conclude(AT_MS + TOLD_GRACE_MS) == 0, "a worker may tell of it once the other has ended"
    await store.advance([news(Status.SUCCEEDED, task_id=known["b"], at_ms=LATER)])
    assert await planned.conclude(LATER + TOLD_GRACE_MS - 1) == 0
    assert await planned.conclude(LATER + TOLD_GRACE_MS) == 1
    assert await statuses(client) == {"a": "failed", "b": "succeeded", "c": "cancelled"}
    last = (await client.record(known["c"])).last
    assert last is not None
    assert last.error == {"type": "NeverStarted", "message": f"it waits for {known['a']}, which is failed"}


async def test_the_body_of_a_chord_is_cancelled_too_when_the_rest_of_the_header_is_not_recorded_any_more(
    client: TaskClient, store: StatusStore, redis: Redis
) -> None:
    await client.start_batch(chord([A, B], C), "w1")
    known = await ids(client)
    await store.advance([news(Status.FAILED, task_id=known["a"])])
    await redis.execute("DEL", f"petiole:task:{known['b']}")
    assert await PlannedSteps(store).conclude(AT_MS + TOLD_GRACE_MS) == 1


async def test_what_has_started_or_ended_is_not_looked_at_again(
    client: TaskClient, store: StatusStore, redis: Redis
) -> None:
    await client.start_batch(chain(A, B), "w1")
    known = await ids(client)
    assert await redis.execute("ZRANGE", "petiole:planned", 0, -1) == [known["b"].encode()]
    await store.advance([news(Status.RUNNING, task_id=known["b"])])
    await PlannedSteps(store).conclude(LATER)
    assert not await redis.execute("EXISTS", "petiole:planned")


@pytest.mark.parametrize("end", [Status.SUCCEEDED, Status.FAILED])
async def test_what_a_step_waited_for_is_not_kept_once_it_has_ended(
    client: TaskClient, store: StatusStore, redis: Redis, end: Status
) -> None:
    record = f"petiole:task:{(await client.start_batch(chord([A, B], C), 'w1')).result.id}"
    assert None not in await redis.execute("HMGET", record, "awaits", "told")
    await store.advance([news(end, task_id=record.removeprefix("petiole:task:"))])
    assert await redis.execute("HMGET", record, "awaits", "told") == [None, None]
