"""Reading tasks while others move them."""

import asyncio
from itertools import pairwise

import pytest

from bridge.errors import TaskNotFound
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
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
