"""advance.lua: the table of statuses, obeyed; and everything that moves together with a task."""

from collections.abc import Sequence

import pytest

from app.cli.processes.child import Child
from bridge.errors import BrokerUnavailable
from bridge.protocol.state import ENDS, TABLE, Status
from bridge.records.status_store import Advanced, StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.integration.submissions import submission
from tests.integration.telling import AT_MS, in_status, kinds, news, one, progress

RANK = {status: row.rank for status, row in TABLE.items()}
OPEN = sorted(set(Status) - ENDS)
UNKNOWN = Advanced(seq=0, attempt=0, status="", known=False)


def may_follow(before: Status, after: Status, later: int) -> bool:
    """The rules at the head of the table, for news of an attempt that is `later` by 1, 0 or -1."""
    if before in ENDS:
        return False
    if after in ENDS:
        return True
    return later > 0 or (later == 0 and RANK[after] > RANK[before])


@pytest.mark.parametrize("later", [-1, 0, 1])
@pytest.mark.parametrize("before", Status)
async def test_a_task_moves_as_the_table_says(store: StatusStore, before: Status, later: int) -> None:
    for after in Status:
        await in_status(store, before, attempt=2, task_id=after)

    outcomes = await store.advance([news(after, 2 + later, task_id=after) for after in Status])

    moved = {after for after, outcome in zip(Status, outcomes, strict=True) if outcome.seq}
    assert moved == {after for after in Status if may_follow(before, after, later)}
    for after, outcome in zip(Status, outcomes, strict=True):
        record = await store.record(after)
        assert (record.status, record.seq) == ((after, 2) if after in moved else (before, 1))
        assert (outcome.status, outcome.attempt) == (record.status, record.attempt)
        assert record.attempt == max(2, 2 + later) if after in moved else record.attempt == 2


@pytest.mark.parametrize("before", Status)
async def test_progress_moves_a_task_that_may_run(store: StatusStore, before: Status) -> None:
    await in_status(store, before)

    outcome = await one(store, progress(1))

    expected = "running" if before not in ENDS and RANK[before] <= RANK[Status.RUNNING] else before
    assert (outcome.status, (await store.record("a1")).status) == (expected, expected)


@pytest.mark.parametrize("before", OPEN)
async def test_a_revoked_task_that_runs_goes_on(store: StatusStore, before: Status) -> None:
    await in_status(store, before)

    outcome = await one(store, news(Status.CANCELLED, spares_running=True))

    assert outcome.status == (Status.RUNNING if before is Status.RUNNING else Status.CANCELLED)


async def test_news_told_twice_counts_once(store: StatusStore) -> None:
    told = [news(Status.RECEIVED, adopts=True), news(Status.RUNNING), progress(1), news(Status.SUCCEEDED)]

    first, again = await store.advance(told), await store.advance(told)

    assert [outcome.seq for outcome in first] == [1, 2, 3, 4]
    assert [outcome.seq for outcome in again] == [0, 0, 0, 0]
    assert await kinds(store) == ["received", "running", "progress", "succeeded"]


async def test_late_news_is_dropped(store: StatusStore) -> None:
    await in_status(store, Status.RUNNING, attempt=2)
    late = [news(Status.RETRYING, 1), news(Status.RUNNING, 1), progress(1, 1), news(Status.RECEIVED, 2)]
    assert [outcome.seq for outcome in await store.advance(late)] == [0, 0, 0, 0]


async def test_the_same_progress_heard_by_two_watchers_is_told_once(store: StatusStore) -> None:
    await in_status(store, Status.RUNNING)
    heard = [progress(1), progress(2)]
    heard_later = [progress(1, at_ms=AT_MS + 7), progress(2, at_ms=AT_MS + 7)]

    await store.advance(heard)
    await store.advance(heard_later)

    assert await kinds(store) == ["running", "progress", "progress"]


async def test_the_same_progress_in_another_attempt_is_new(store: StatusStore) -> None:
    await in_status(store, Status.RUNNING)
    told = [progress(1), news(Status.RETRYING), news(Status.RUNNING, 2), progress(1, 2)]
    assert [outcome.seq for outcome in await store.advance(told)] == [2, 3, 4, 5]


async def test_pieces_of_news_in_one_call_do_not_depend_on_each_other(store: StatusStore) -> None:
    await in_status(store, Status.RUNNING, task_id="a1")
    await in_status(store, Status.SUCCEEDED, task_id="b1")

    outcomes = await store.advance(
        [news(Status.RUNNING, task_id="b1"), news(Status.RUNNING, task_id="c1"), news(Status.FAILED, task_id="a1")]
    )

    assert outcomes[0] == Advanced(seq=0, attempt=1, status="succeeded", known=True)
    assert outcomes[1] == UNKNOWN
    assert outcomes[2] == Advanced(seq=2, attempt=1, status="failed", known=True)


@pytest.mark.parametrize("key", ["petiole:task:b1", "petiole:history:b1"])
async def test_a_task_with_a_key_of_another_kind_in_its_way_takes_no_other_with_it(
    store: StatusStore, redis: Redis, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    await in_status(store, Status.RECEIVED, task_id="b1")
    await redis.execute("SET", key, "not ours")
    told = [news(Status.RUNNING, task_id=task_id, adopts=True) for task_id in ("a1", "b1", "c1")]

    outcomes = await store.advance(told)

    assert [outcome.seq for outcome in outcomes] == [1, 0, 1]
    assert outcomes[1].known
    assert "news of task b1 cannot be recorded: WRONGTYPE" in caplog.text


async def test_a_task_whose_record_is_spoilt_takes_no_other_with_it(
    store: StatusStore, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await in_status(store, Status.RECEIVED)
    await redis.execute("HSET", "petiole:task:a1", "status", "dancing")

    outcomes = await store.advance([news(Status.RUNNING), news(Status.RUNNING, task_id="b1", adopts=True)])

    assert [outcome.seq for outcome in outcomes] == [0, 1]
    assert "news of task a1 cannot be recorded" in caplog.text


async def test_a_server_that_has_no_memory_left_is_no_fault_of_a_task(own_server: Child, own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(own_url, settings) as redis, StatusStore.open(redis, settings) as store:
        await redis.execute("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(BrokerUnavailable):
            await store.advance([news(Status.RUNNING, adopts=True)])


async def test_an_unknown_task_is_left_alone(store: StatusStore, redis: Redis) -> None:
    assert await one(store, news(Status.RUNNING, facts={"task": "tasks.add"})) == UNKNOWN
    assert await redis.execute("DBSIZE") == 0


@pytest.mark.parametrize("status", Status)
async def test_an_unknown_task_is_adopted_from_any_news_when_that_is_asked(store: StatusStore, status: Status) -> None:
    told = news(status, adopts=True, facts={"task": "tasks.add"})

    assert await one(store, told) == Advanced(seq=1, attempt=1, status=status, known=True)

    record = await store.record("a1")
    assert (record.status, record.task, record.seq) == (status, "tasks.add", 1)
    assert record.life_left_ms is not None


async def test_late_news_still_tells_facts_that_were_not_known(store: StatusStore) -> None:
    await in_status(store, Status.RUNNING)

    await one(store, news(Status.RECEIVED, facts={"task": "tasks.add", "worker": "w1"}, changes={"eta": 5}))
    await one(store, news(Status.RECEIVED, facts={"task": "tasks.other"}))

    record = await store.record("a1")
    assert (record.status, record.task, record.worker, record.eta) == (Status.RUNNING, "tasks.add", "w1", None)


async def test_news_that_moves_a_task_changes_its_record(store: StatusStore) -> None:
    await in_status(store, Status.RECEIVED)
    await one(store, news(Status.RUNNING, at_ms=AT_MS + 5, changes={"worker": "w1"}, celery_state="BAKING"))

    record = await store.record("a1")
    assert (record.worker, record.celery_state) == ("w1", "BAKING")
    assert (record.received_at, record.started_at, record.finished_at) == (AT_MS, AT_MS + 5, None)


async def test_an_update_is_in_the_history_and_in_the_live_feed(store: StatusStore, redis: Redis) -> None:
    await in_status(store, Status.RECEIVED)
    await one(store, news(Status.RUNNING))

    entries: Sequence[tuple[bytes, dict[bytes, bytes]]] = await redis.execute("XRANGE", "petiole:live", "-", "+")
    history = await redis.execute("LRANGE", "petiole:history:a1", 0, -1)
    assert [(fields[b"i"], fields[b"s"], fields[b"u"]) for _, fields in entries] == [
        (b"a1", b"1", history[0]),
        (b"a1", b"2", history[1]),
    ]


async def test_the_live_feed_is_capped(redis: Redis, settings: BridgeSettings) -> None:
    capped = settings.model_copy(update={"live_limit": 100})
    async with StatusStore.open(redis, capped) as store:
        await in_status(store, Status.RUNNING)
        await store.advance([progress(number) for number in range(1_000)])
    assert await redis.execute("XLEN", "petiole:live") <= 200


async def test_of_a_long_history_the_beginning_is_dropped_and_counted(redis: Redis, settings: BridgeSettings) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    async with StatusStore.open(redis, short) as store:
        await in_status(store, Status.RUNNING)
        await store.advance([progress(number) for number in range(24)])

        missed = await store.read_after("a1", 0)

    assert (missed.seq, missed.dropped) == (25, 15)
    assert [update.seq for update in missed.updates] == list(range(16, 26))


async def test_the_watchlist_has_the_open_tasks_by_their_last_news(store: StatusStore, redis: Redis) -> None:
    await in_status(store, Status.RECEIVED, task_id="a1")
    await in_status(store, Status.RECEIVED, task_id="b1")
    await store.advance(
        [news(Status.RUNNING, at_ms=AT_MS + 9), news(Status.FAILED, task_id="b1"), progress(1, at_ms=AT_MS + 3)]
    )
    assert await redis.execute("ZRANGE", "petiole:open", 0, -1, "WITHSCORES") == [b"a1", str(AT_MS + 9).encode()]


async def test_the_payload_is_dropped_with_success(store: StatusStore, publisher: Publisher, redis: Redis) -> None:
    await publisher.publish(submission("a1", args=("x" * 10_000,)))
    await store.advance([progress(1, changes={"progress": "{}"}), news(Status.SUCCEEDED, at_ms=AT_MS + 9)])

    assert await redis.execute("HMGET", "petiole:task:a1", "payload", "progress", "list") == [None, None, None]
    record = await store.record("a1")
    assert (record.status, record.task, record.finished_at) == (Status.SUCCEEDED, "tasks.add", AT_MS + 9)
    assert await redis.execute("OBJECT", "ENCODING", "petiole:task:a1") in (b"listpack", b"ziplist")


@pytest.mark.parametrize("end", sorted(ENDS - {Status.SUCCEEDED}))
async def test_the_payload_is_kept_by_any_other_end_for_a_replay(
    store: StatusStore, publisher: Publisher, redis: Redis, end: Status
) -> None:
    await publisher.publish(submission("a1"))
    payload = await redis.execute("LINDEX", "celery", 0)

    await one(store, news(end))

    assert await redis.execute("HGET", "petiole:task:a1", "payload") == payload


@pytest.mark.parametrize("end", sorted(ENDS))
async def test_an_end_leaves_the_watchlist_and_has_a_shorter_life(
    store: StatusStore, redis: Redis, settings: BridgeSettings, end: Status
) -> None:
    await in_status(store, Status.RUNNING)
    await one(store, news(end))

    assert await redis.execute("EXISTS", "petiole:open") == 0
    for key in ("petiole:task:a1", "petiole:history:a1"):
        assert settings.ended_ttl - 5 < await redis.execute("TTL", key) <= settings.ended_ttl


async def test_news_of_an_open_task_renews_its_life(store: StatusStore, redis: Redis, settings: BridgeSettings) -> None:
    await in_status(store, Status.RECEIVED)
    for key in ("petiole:task:a1", "petiole:history:a1"):
        await redis.execute("EXPIRE", key, 10)
    await one(store, news(Status.RUNNING))
    for key in ("petiole:task:a1", "petiole:history:a1"):
        assert await redis.execute("TTL", key) > settings.open_ttl - 5


async def test_a_finished_small_task_costs_less_than_one_and_a_half_kilobytes(
    store: StatusStore, publisher: Publisher, redis: Redis
) -> None:
    task_id = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
    await publisher.publish(submission(task_id, args=("sample payload",)))
    story = [
        news(Status.RECEIVED, task_id=task_id, facts={"worker": "celery@w1"}),
        news(Status.RUNNING, task_id=task_id),
        *(progress(step, task_id=task_id) for step in range(4)),
        news(Status.SUCCEEDED, task_id=task_id, details={"result": {"data": "sample payload"}}),
    ]
    assert (await store.advance(story))[-1].seq == 8

    sizes = [await redis.execute("MEMORY", "USAGE", f"petiole:{key}:{task_id}") for key in ("task", "history")]
    assert sum(sizes) < 1_500
