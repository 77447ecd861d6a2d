"""The live feed: many tasks followed in one order, from any place in it."""

import asyncio
from collections.abc import Sequence

import pytest

from bridge.errors import SubscriberTooSlow
from bridge.follow.feed import BEGINNING, Feed, FeedFollower, FeedReset, FeedStep
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.follow.hub import Hub
from bridge.protocol.compact import compact
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.integration.submissions import DEADLINE, submission
from tests.integration.telling import news

EVERYTHING = Selection()


@pytest.fixture
def feed(redis: Redis, hub: Hub, settings: BridgeSettings) -> Feed:
    return Feed(redis, hub, settings.prefix)


def told(steps: Sequence[FeedStep]) -> list[tuple[str, int]]:
    """Tasks and numbers of the updates."""
    return [(step.update.task_id, step.update.seq) for step in steps if isinstance(step, FeedEntry)]


async def heard(follower: FeedFollower, count: int) -> list[FeedStep]:
    """So many steps, as they come."""
    steps: list[FeedStep] = []
    async with asyncio.timeout(DEADLINE):
        while len(steps) < count:
            steps += await follower.next(DEADLINE)
    return steps


async def adopted(store: StatusStore, task_id: str, **facts: str) -> None:
    """A task that a worker has received."""
    await store.advance([news(Status.RECEIVED, task_id=task_id, adopts=True, facts=facts)])


async def present(feed: Feed) -> str:
    """The end of the feed."""
    with feed.following(EVERYTHING) as follower:
        await follower.catch_up()
    assert follower.cursor
    return follower.cursor


async def test_who_comes_without_a_place_begins_with_the_present(feed: Feed, publisher: Publisher) -> None:
    await publisher.publish(submission("a1"))
    with feed.following(EVERYTHING) as follower:
        (reset,) = await follower.catch_up()
        assert reset == FeedReset(cursor=follower.cursor or "")
        await publisher.publish(submission("a2"))
        assert told(await heard(follower, 1)) == [("a2", 1)]


async def test_who_comes_back_hears_what_was_missed_and_then_what_follows_each_once(
    feed: Feed, store: StatusStore
) -> None:
    cursor = await present(feed)
    for task_id in ("a1", "a2", "a3"):
        await adopted(store, task_id)
    with feed.following(EVERYTHING, cursor) as follower:
        first, second, _ = missed = await follower.catch_up()
        assert told(missed) == [("a1", 1), ("a2", 1), ("a3", 1)]
        await store.advance([news(Status.RUNNING, task_id="a2")])
        assert told(await heard(follower, 1)) == [("a2", 2)]
    assert isinstance(first, FeedEntry)
    assert isinstance(second, FeedEntry)
    with feed.following(EVERYTHING, first.cursor) as follower:
        assert told(await follower.catch_up()) == [("a2", 1), ("a3", 1), ("a2", 2)]


async def test_who_leaves_in_the_midst_of_many_submitted_at_once_hears_the_rest_of_them(
    feed: Feed, redis: Redis, publisher: Publisher
) -> None:
    cursor, ids = await present(feed), [f"a{number}" for number in range(40)]
    with feed.following(EVERYTHING, cursor) as live:
        await publisher.accept([publisher.ready(submission(task_id)) for task_id in ids])
        at_once = await heard(live, len(ids))
    assert await redis.execute("XLEN", "petiole:live") < len(ids)
    assert told(at_once) == [(task_id, 1) for task_id in ids]

    for left_after, step in enumerate(at_once, 1):
        with feed.following(EVERYTHING, step.cursor) as follower:
            assert told(await follower.catch_up()) == [(task_id, 1) for task_id in ids[left_after:]]


async def test_an_entry_of_somebody_else_is_passed_over(feed: Feed, store: StatusStore, redis: Redis) -> None:
    cursor = await present(feed)
    for _ in range(2):
        await redis.execute("XADD", "petiole:live", "*", "i", "a1", "s", "x", "u", "y")
        await adopted(store, "a2")
        await redis.execute("XADD", "petiole:live", "*", "hello", "world")
    with feed.following(EVERYTHING, cursor) as follower:
        assert told(await follower.catch_up()) == [("a2", 1)]
        assert await follower.catch_up() == []


async def test_a_task_whose_id_has_spaces_is_one(feed: Feed, store: StatusStore) -> None:
    cursor = await present(feed)
    with feed.following(EVERYTHING, cursor) as live:
        await adopted(store, "a task of theirs")
        assert told(await heard(live, 1)) == [("a task of theirs", 1)]
    with feed.following(EVERYTHING, cursor) as follower:
        assert told(await follower.catch_up()) == [("a task of theirs", 1)]


async def test_what_is_submitted_at_once_is_selected_one_by_one(feed: Feed, publisher: Publisher) -> None:
    cursor = await present(feed)
    with feed.following(Selection(task_ids={"a3"}), cursor) as live:
        await publisher.accept([publisher.ready(submission(f"a{number}")) for number in range(5)])
        (step,) = await heard(live, 1)
    assert told([step]) == [("a3", 1)]
    with feed.following(Selection(task_ids={"a3", "a4"}), step.cursor) as follower:
        assert told(await follower.catch_up()) == [("a4", 1)]


FACTS = {"task": "proj.add", "queue": "math", "batch": "b1", "owner": "me", "tags": compact(["x", "y"])}


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        (Selection(task_ids={"a1", "unknown"}), "a1"),
        (Selection(tasks={"proj.add"}), "a1 a3"),
        (Selection(queues={"math", "unknown"}), "a1"),
        (Selection(batches={"b1"}), "a1"),
        (Selection(tags={"y", "z"}), "a1"),
        (Selection(tags={"x"}), "a1 a3"),
        (Selection(owner="me"), "a1"),
        (Selection(tasks={"proj.add"}, queues={"other"}), "a3"),
        (Selection(tasks={"proj.add"}, batches={"b2"}), ""),
        (EVERYTHING, "a1 a2 a3"),
    ],
)
async def test_what_is_selected_is_heard_and_nothing_else(
    feed: Feed, store: StatusStore, selection: Selection, selected: str
) -> None:
    cursor = await present(feed)
    await adopted(store, "a1", **FACTS)
    await adopted(store, "a2")
    await adopted(store, "a3", task="proj.add", queue="other", tags=compact(["x"]), owner="you")
    with feed.following(selection, cursor) as follower:
        assert told(await follower.catch_up()) == [(task_id, 1) for task_id in selected.split()]


async def test_what_is_selected_is_heard_as_it_happens(feed: Feed, store: StatusStore) -> None:
    await adopted(store, "a1", **FACTS)
    await adopted(store, "a2")
    with feed.following(Selection(tags={"y"}), await present(feed)) as follower:
        await store.advance([news(Status.RUNNING, task_id="a2"), news(Status.RUNNING, task_id="a1")])
        assert told(await heard(follower, 1)) == [("a1", 2)]


async def test_who_comes_back_too_late_is_told_so(redis: Redis, hub: Hub, store: StatusStore) -> None:
    feed = Feed(redis, hub, store.settings.prefix)
    cursor = await present(feed)
    await adopted(store, "a1")
    await adopted(store, "a2")
    await redis.execute("XTRIM", f"{store.settings.prefix}live", "MAXLEN", 1)
    with feed.following(EVERYTHING, cursor) as follower:
        (reset,) = await follower.catch_up()
        assert reset == FeedReset(cursor=await present(feed))


@pytest.mark.parametrize("there", [[], ["a1"]])
async def test_a_place_beyond_the_end_is_of_a_feed_that_is_gone(
    feed: Feed, store: StatusStore, there: list[str]
) -> None:
    for task_id in there:
        await adopted(store, task_id)
    with feed.following(EVERYTHING, "99999999999999-0") as follower:
        assert await follower.catch_up() == [FeedReset(cursor=await feed.end())]
        await adopted(store, "a2")
        assert told(await heard(follower, 1)) == [("a2", 1)]


async def test_who_is_at_the_end_of_the_feed_is_not_told_to_begin_anew(feed: Feed, store: StatusStore) -> None:
    assert await feed.end() == BEGINNING
    for _ in range(2):
        with feed.following(EVERYTHING, await feed.end()) as follower:
            assert await follower.catch_up() == []
        await adopted(store, "a1")


async def test_a_reader_that_lets_too_much_gather_is_dropped(feed: Feed, store: StatusStore) -> None:
    with feed.following(EVERYTHING, await present(feed), limit=1) as follower, feed.following(EVERYTHING) as other:
        await other.catch_up()
        await store.advance([news(Status.RECEIVED, task_id=f"a{number}", adopts=True) for number in range(3)])
        await heard(other, 3)
        with pytest.raises(SubscriberTooSlow):
            await heard(follower, 3)
