"""Tasks with an ETA: held in Redis when it is far off, and handed to their queues when it has come."""

import asyncio
from datetime import UTC, datetime, timedelta

from bridge.protocol.envelope import open_json
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import START, Clock
from tests.integration.submissions import IN_A_MONTH, TOMORROW, submission

DAY_MS = 86_400_000


async def test_a_long_delay_waits_in_redis_and_is_told(redis: Redis, publisher: Publisher, store: StatusStore) -> None:
    await publisher.publish(submission("a1", eta=TOMORROW))

    assert await redis.execute("LLEN", "celery") == 0
    record = await store.record("a1")
    assert (record.status, record.seq, record.eta) == (Status.SCHEDULED, 2, int(TOMORROW.timestamp() * 1000))
    kinds = [(update.seq, update.kind) for update in (await store.read_after("a1", 0)).updates]
    assert kinds == [(1, "submitted"), (2, "scheduled")]


async def test_a_short_delay_waits_in_the_worker(redis: Redis, publisher: Publisher, store: StatusStore) -> None:
    soon = datetime.fromtimestamp(START, UTC) + timedelta(seconds=30)
    await publisher.publish(submission("a1", eta=soon))

    assert await redis.execute("LLEN", "celery") == 1
    assert (await store.record("a1")).status is Status.SUBMITTED


async def test_a_held_task_is_released_when_its_time_has_come_and_once(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    await publisher.publish(submission("a1", queue="mail", priority=4, eta=TOMORROW))
    payload = await redis.execute("HGET", "petiole:task:a1", "payload")

    assert await store.release_due(clock.ms + DAY_MS - 1) == 0
    assert sum(await asyncio.gather(*(store.release_due(clock.ms + DAY_MS) for _ in range(5)))) == 1

    assert await redis.execute("LRANGE", "mail\x06\x163", 0, -1) == [payload]
    assert await redis.execute("EXISTS", "petiole:scheduled") == 0
    assert await redis.execute("HEXISTS", "petiole:task:a1", "list") == 0


async def test_held_tasks_are_released_the_earliest_first(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    for name, hours in (("b", 2), ("a", 1), ("c", 3)):
        eta = TOMORROW + timedelta(hours=hours)
        await publisher.publish(submission(name, args=(name,), eta=eta))

    assert await store.release_due(clock.ms + 2 * DAY_MS) == 3

    taken = [open_json(await redis.execute("RPOP", "celery"))[0] for _ in range(3)]
    assert taken == [["a"], ["b"], ["c"]]


async def test_a_held_tasks_record_outlives_its_wait(
    redis: Redis, publisher: Publisher, settings: BridgeSettings
) -> None:
    await publisher.publish(submission("a1", eta=IN_A_MONTH))

    for key in ("petiole:task:a1", "petiole:history:a1"):
        life = await redis.execute("TTL", key)
        assert life > timedelta(days=30).total_seconds() + settings.open_ttl - 5


async def test_a_task_released_after_a_long_wait_is_watched_again(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    await publisher.publish(submission("a1", eta=IN_A_MONTH))
    await store.forget_open(clock.ms + 7 * DAY_MS)
    assert await redis.execute("ZCARD", "petiole:open") == 0

    await store.release_due(clock.ms + 30 * DAY_MS)

    assert await redis.execute("ZRANGE", "petiole:open", 0, -1) == [b"a1"]


async def test_a_held_task_whose_queue_became_something_else_does_not_hold_up_the_others(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    await publisher.publish(submission("a1", queue="mail", eta=TOMORROW))
    await publisher.publish(submission("b1", eta=TOMORROW))
    await redis.execute("SET", "mail", "not a list")

    await store.release_due(clock.ms + DAY_MS)
    assert await redis.execute("LLEN", "celery") == 1

    await redis.execute("DEL", "mail")
    await store.release_due(clock.ms + DAY_MS + 60_000)
    assert await redis.execute("LLEN", "mail") == 1
