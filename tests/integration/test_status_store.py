"""Reading tasks while others move them."""

import asyncio
from itertools import pairwise

import pytest

from bridge.errors import TaskNotFound, UnreadableBytes
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status import TaskRecord
from bridge.records.status_store import Missed, StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import START
from tests.integration.submissions import submission

AT_MS = int(START * 1000)


def running(task_id: str = "a1") -> News:
    return News(task_id=task_id, status=Status.RUNNING, attempt=1, at_ms=AT_MS, adopts=True)


def progress(current: int, task_id: str = "a1") -> News:
    return News(task_id=task_id, status=None, attempt=1, at_ms=AT_MS, details={"progress": {"current": current}})


async def test_a_task_that_is_not_known_is_said_not_to_be(store: StatusStore) -> None:
    for read in (store.record("a1"), store.read_after("a1", 0)):
        with pytest.raises(TaskNotFound):
            await read


ODD_RECORDS = {
    "an unknown status": ("status", "asleep"),
    "a status that is no text": ("status", b"\xff"),
    "a seq that is no number": ("seq", "x"),
    "a seq below any": ("seq", -1),
    "a seq beyond any": ("seq", "9" * 30),
}


@pytest.mark.parametrize(("field", "value"), ODD_RECORDS.values(), ids=ODD_RECORDS)
async def test_an_odd_record_is_unreadable_and_keeps_no_other_from_being_read(
    store: StatusStore, redis: Redis, field: str, value: str | bytes | int
) -> None:
    await store.advance([running("a1"), running("a2")])
    await redis.execute("HSET", "petiole:task:a1", field, value)

    odd, other = await asyncio.gather(store.read_after("a1", 0), store.read_after("a2", 0), return_exceptions=True)
    assert isinstance(odd, UnreadableBytes)
    assert "petiole:task:a1" in str(odd)
    assert isinstance(other, Missed)
    with pytest.raises(UnreadableBytes, match="task a1"):
        await store.record("a1")


async def test_a_key_of_another_kind_keeps_no_other_task_from_being_read(store: StatusStore, redis: Redis) -> None:
    await store.advance([running("a2")])
    await redis.execute("SET", "petiole:task:a1", "x")
    odd, other = await asyncio.gather(store.record("a1"), store.record("a2"), return_exceptions=True)
    assert isinstance(odd, UnreadableBytes)
    assert "petiole:task:a1" in str(odd)
    assert "WRONGTYPE" in str(odd)
    assert isinstance(other, TaskRecord)


async def test_an_id_that_is_no_text_keeps_no_task_off_the_watchlist(store: StatusStore, redis: Redis) -> None:
    await store.advance([running("a1")])
    for key in ("petiole:open", "petiole:planned", "petiole:index"):
        await redis.execute("ZADD", key, 1, b"\xff")
    await redis.execute("SADD", "petiole:owners", b"\xff")
    assert [page async for page in store.open_tasks()] == [["a1"]]
    assert [page async for page in store.planned()] == [[]]
    assert await store.forget_gone(AT_MS) == 1


async def test_every_read_sees_the_history_as_of_one_moment(store: StatusStore) -> None:
    await store.advance([running()])
    moving = asyncio.create_task(move(store, updates=400))
    seqs = []
    while not moving.done():
        missed = await store.read_after("a1", 5)
        assert [update.seq for update in missed.updates] == list(range(6, missed.seq + 1))
        seqs.append(missed.seq)
    await moving

    assert all(earlier <= later for earlier, later in pairwise(seqs))
    assert (await store.read_after("a1", 0)).seq == 401


async def move(store: StatusStore, *, updates: int) -> None:
    for current in range(updates):
        await store.advance([progress(current)])


async def test_a_record_and_its_latest_update_are_of_one_moment(store: StatusStore) -> None:
    await store.advance([running()])
    moving = asyncio.create_task(move(store, updates=200))
    while not moving.done():
        record = await store.record("a1")
        assert record.last is not None
        assert record.last.progress is None or record.last.progress["current"] == record.seq - 2
    await moving


async def test_reads_of_one_moment_are_answered_each_with_its_own(store: StatusStore) -> None:
    await store.advance([running(f"a{n}") for n in range(100)])
    records = await asyncio.gather(*(store.record(f"a{n}") for n in range(100)))
    assert [record.task_id for record in records] == [f"a{n}" for n in range(100)]


async def test_a_history_longer_than_a_script_can_unpack_is_read_whole(redis: Redis, settings: BridgeSettings) -> None:
    long = settings.model_copy(update={"history_limit": 20_000})
    async with StatusStore.open(redis, long) as store:
        await store.advance([running()])
        for start in range(0, 9_000, 1_000):
            await store.advance([progress(current) for current in range(start, start + 1_000)])
        missed = await store.read_after("a1", 0)
    assert [update.seq for update in missed.updates] == list(range(1, 9_002))


async def test_every_open_task_is_on_some_page_of_the_watchlist(store: StatusStore) -> None:
    await store.advance([running(f"a{n}") for n in range(600)])
    await store.advance([running(f"b{n}") for n in range(600)])

    pages = [page async for page in store.open_tasks()]

    assert len(pages) > 1
    assert {task_id for page in pages for task_id in page} == {f"{a}{n}" for a in "ab" for n in range(600)}


async def test_tasks_that_end_while_the_watchlist_is_read_hide_no_other(store: StatusStore) -> None:
    ids = [f"a{n:04}" for n in range(1_200)]
    await store.advance([running(task_id) for task_id in ids[:600]])
    await store.advance([running(task_id) for task_id in ids[600:]])
    ended: set[str] = set()
    seen: set[str] = set()
    async for page in store.open_tasks():
        seen |= set(page)
        ends = page[:250]
        ended |= set(ends)
        await store.advance([News(task_id=task_id, status=Status.FAILED, attempt=1, at_ms=AT_MS) for task_id in ends])
    assert seen == set(ids)
    assert ended


async def test_a_note_stays_and_moves_nothing(store: StatusStore, redis: Redis, publisher: Publisher) -> None:
    await publisher.publish(submission("a1"))
    await store.note("a1", {"cancel": "first"}, AT_MS)
    await store.note("a1", {"cancel": "second"}, AT_MS)
    await store.note("nobody", {"cancel": "third"}, AT_MS)

    record = await store.record("a1")
    assert (record.cancel_reason, record.seq, record.status) == ("first", 1, Status.SUBMITTED)
    assert await redis.execute("EXISTS", "petiole:task:nobody") == 0
