"""advance.lua: taking back what no worker has, and news that does not say which attempt it is about."""

import pytest

from bridge.protocol.news import UNKNOWN_ATTEMPT
from bridge.protocol.state import ENDS, Status
from bridge.records.status_store import Advanced, StatusStore
from bridge.redis import Redis
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.submissions import IN_A_MONTH, submission
from tests.integration.telling import AT_MS, in_status, kinds, news, one

OPEN = sorted(set(Status) - ENDS)


async def test_a_task_that_waits_in_its_queue_can_be_withdrawn_from_it(
    store: StatusStore, publisher: Publisher, redis: Redis
) -> None:
    await publisher.publish(submission("a1"))
    await publisher.publish(submission("b1"))

    outcome = await one(store, news(Status.CANCELLED, withdraw_from="celery"))

    assert outcome == Advanced(seq=2, attempt=1, status="cancelled", known=True)
    assert await redis.execute("LLEN", "celery") == 1
    assert (await store.record("b1")).status is Status.SUBMITTED


async def test_a_task_that_a_worker_has_taken_cannot_be_withdrawn(
    store: StatusStore, publisher: Publisher, redis: Redis
) -> None:
    await publisher.publish(submission("a1"))
    await redis.execute("RPOP", "celery")

    outcome = await one(store, news(Status.CANCELLED, withdraw_from="celery"))

    assert outcome == Advanced(seq=0, attempt=1, status="submitted", known=True)
    assert await kinds(store) == ["submitted"]


async def test_a_task_that_is_held_can_be_withdrawn_from_the_schedule(
    store: StatusStore, publisher: Publisher, redis: Redis, clock: Clock
) -> None:
    await publisher.publish(submission("a1", eta=IN_A_MONTH))

    outcome = await one(store, news(Status.CANCELLED, withdraw_from="celery"))

    assert (outcome.seq, outcome.status) == (3, "cancelled")
    assert await store.release_due(int(IN_A_MONTH.timestamp() * 1000)) == 0
    assert await redis.execute("EXISTS", "celery", "petiole:scheduled") == 0


async def test_a_held_task_that_ended_otherwise_is_never_queued(
    store: StatusStore, publisher: Publisher, redis: Redis
) -> None:
    await publisher.publish(submission("a1", eta=IN_A_MONTH))
    await one(store, news(Status.CANCELLED, UNKNOWN_ATTEMPT, from_backend=True))

    await store.release_due(int(IN_A_MONTH.timestamp() * 1000))

    assert await redis.execute("EXISTS", "celery", "petiole:scheduled") == 0


@pytest.mark.parametrize("end", sorted(ENDS - {Status.LOST}))
@pytest.mark.parametrize("before", OPEN)
async def test_an_end_of_an_unknown_attempt_ends_the_present_one(
    store: StatusStore, before: Status, end: Status
) -> None:
    await in_status(store, before, attempt=3)
    outcome = await one(store, news(end, UNKNOWN_ATTEMPT, at_ms=AT_MS - 1))
    assert (outcome.status, outcome.attempt) == (end, 3)


@pytest.mark.parametrize(("later_ms", "expected"), [(-1, "running"), (0, "running"), (1, "lost")])
async def test_that_a_task_is_lost_is_overruled_by_any_news_since_it_was_concluded(
    store: StatusStore, later_ms: int, expected: str
) -> None:
    await in_status(store, Status.RUNNING, attempt=3)
    outcome = await one(store, news(Status.LOST, UNKNOWN_ATTEMPT, at_ms=AT_MS + later_ms, swept=True))
    assert (outcome.status, outcome.attempt) == (expected, 3)


async def test_a_task_that_waits_for_its_next_attempt_is_never_lost(store: StatusStore) -> None:
    await in_status(store, Status.RETRYING)
    assert (await one(store, news(Status.LOST, UNKNOWN_ATTEMPT, at_ms=AT_MS + 1, swept=True))).status == "retrying"


async def test_a_start_of_an_unknown_attempt_is_of_the_present_one(store: StatusStore) -> None:
    await in_status(store, Status.RECEIVED, attempt=2)
    outcome = await one(store, news(Status.RUNNING, UNKNOWN_ATTEMPT))
    assert (outcome.status, outcome.attempt) == ("running", 2)


async def test_news_of_an_unknown_attempt_that_is_older_than_the_last_is_dropped(store: StatusStore) -> None:
    await in_status(store, Status.RECEIVED)
    assert (await one(store, news(Status.RUNNING, UNKNOWN_ATTEMPT, at_ms=AT_MS - 1))).seq == 0


@pytest.mark.parametrize(("from_backend", "expected"), [(True, ("running", 2)), (False, ("retrying", 1))])
async def test_after_a_retry_a_start_of_an_unknown_attempt_is_believed_to_the_backend_alone(
    store: StatusStore, from_backend: bool, expected: tuple[str, int]
) -> None:
    await in_status(store, Status.RETRYING)
    outcome = await one(store, news(Status.RUNNING, UNKNOWN_ATTEMPT, from_backend=from_backend))
    assert (outcome.status, outcome.attempt) == expected


async def test_a_retry_that_the_backend_still_tells_of_is_old_news_for_a_later_attempt_that_waits(
    store: StatusStore,
) -> None:
    for task_id, status, attempt, moves in (
        ("a1", Status.RUNNING, 2, True),
        ("b1", Status.SCHEDULED, 2, False),
        ("c1", Status.SUBMITTED, 1, True),
    ):
        await in_status(store, status, attempt, task_id=task_id)
        told = news(Status.RETRYING, UNKNOWN_ATTEMPT, task_id=task_id, from_backend=True)
        assert bool((await one(store, told)).seq) == moves


@pytest.mark.parametrize(("later_ms", "moves"), [(0, False), (1, True)])
async def test_what_a_sweep_has_read_never_overtakes_what_was_heard_in_the_same_moment(
    store: StatusStore, later_ms: int, moves: bool
) -> None:
    await in_status(store, Status.RECEIVED)
    read = news(Status.RUNNING, UNKNOWN_ATTEMPT, at_ms=AT_MS + later_ms, from_backend=True, swept=True)
    assert bool((await one(store, read)).seq) == moves
