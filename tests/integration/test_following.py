"""Hub and followers: every update once, in order, without a gap, whatever happens in between."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from app.cli.processes.child import Child
from bridge.errors import SubscriberTooSlow
from bridge.follow.follower import Follower, Reset, following, updates
from bridge.follow.hub import DEFAULT_BUFFER, Hub
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status import StatusUpdate
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.clocks import START
from tests.integration.restarting import kill, restart
from tests.integration.submissions import DEADLINE

AT_MS = int(START * 1000)
LAST = 60


def story(task_id: str = "a1", last: int = LAST) -> list[News]:
    """News that makes the updates 1 to `last`."""
    steps = [
        News(task_id=task_id, status=None, attempt=1, at_ms=AT_MS, details={"progress": {"current": step}})
        for step in range(2, last)
    ]
    begin = News(task_id=task_id, status=Status.RUNNING, attempt=1, at_ms=AT_MS, adopts=True)
    return [begin, *steps, News(task_id=task_id, status=Status.SUCCEEDED, attempt=1, at_ms=AT_MS)]


def follow(store: StatusStore, hub: Hub, after: int, task_id: str = "a1") -> AsyncGenerator[StatusUpdate, None]:
    return updates(store, hub, task_id, after, limit=DEFAULT_BUFFER)


async def seqs(stream: AsyncGenerator[StatusUpdate, None]) -> list[int]:
    """The numbers of a stream's updates up to its end."""
    async with asyncio.timeout(DEADLINE):
        return [update.seq async for update in stream]


async def to_the_end(follower: Follower) -> None:
    async with asyncio.timeout(DEADLINE):
        while not follower.ended:
            await follower.next(timeout=DEADLINE)


async def tell(store: StatusStore, news: list[News]) -> None:
    for one in news:
        await store.advance([one])


async def test_whoever_joins_at_any_position_while_the_task_moves_gets_the_rest_once(
    store: StatusStore, hub: Hub
) -> None:
    begin, *rest = story()
    await store.advance([begin])
    followers: dict[int, asyncio.Task[list[int]]] = {}
    for position, one in enumerate(rest, start=1):
        for after in (0, position - 1, position):
            key = position * 1_000 + after
            followers[key] = asyncio.create_task(seqs(follow(store, hub, after)))
        await store.advance([one])
    for key, following_task in followers.items():
        assert await following_task == list(range(key % 1_000 + 1, LAST + 1))
    assert len(hub) == 0


async def test_followers_of_many_tasks_do_not_hear_each_other(store: StatusStore, hub: Hub) -> None:
    ids = [f"a{n}" for n in range(20)]
    for task_id in ids:
        await store.advance(story(task_id)[:1])
    followers = [asyncio.create_task(seqs(follow(store, hub, 0, task_id))) for task_id in ids]
    await asyncio.gather(*(tell(store, story(task_id)[1:]) for task_id in ids))
    assert await asyncio.gather(*followers) == [list(range(1, LAST + 1))] * len(ids)


async def test_whoever_comes_back_after_the_end_gets_what_it_missed_and_the_end(store: StatusStore, hub: Hub) -> None:
    await store.advance(story())
    assert await seqs(follow(store, hub, 0)) == list(range(1, LAST + 1))
    assert await seqs(follow(store, hub, LAST - 2)) == [LAST - 1, LAST]
    assert await seqs(follow(store, hub, LAST)) == []


async def test_a_hub_that_fell_behind_the_cap_of_the_live_feed_is_no_gap_for_its_followers(
    redis: Redis, settings: BridgeSettings
) -> None:
    last = 900
    capped = settings.model_copy(update={"live_limit": 100})
    async with StatusStore.open(redis, capped) as store, Hub.open(redis, capped) as hub:
        begin, *rest = story(last=last)
        await store.advance([begin])
        async with aclosing(follow(store, hub, 0)) as stream:
            assert (await anext(stream)).seq == 1
            await store.advance(rest)
            assert await redis.execute("XLEN", "petiole:live") < last - 500
            assert await seqs(stream) == list(range(2, last + 1))


async def test_updates_that_are_not_kept_any_more_are_told_as_a_reset(redis: Redis, settings: BridgeSettings) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    async with StatusStore.open(redis, short) as store, Hub.open(redis, short) as hub:
        await store.advance(story())
        with following(store, hub, "a1", 3, limit=DEFAULT_BUFFER) as follower:
            reset, *kept = await follower.catch_up()
    assert reset == Reset(seq=LAST - 10)
    assert [step.seq for step in kept] == list(range(LAST - 9, LAST + 1))


@pytest.mark.parametrize("after", [0, 3])
async def test_a_stream_says_in_its_place_what_is_not_kept_any_more(
    redis: Redis, settings: BridgeSettings, after: int
) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    async with StatusStore.open(redis, short) as store, Hub.open(redis, short) as hub:
        await store.advance(story())
        reset, *kept = [update async for update in follow(store, hub, after)]
        assert (reset.kind, reset.task_id, reset.seq, reset.status) == ("reset", "a1", LAST - 10, Status.SUCCEEDED)
        assert (reset.attempt, reset.final) == (1, False)
        assert await seqs(follow(store, hub, reset.seq)) == [update.seq for update in kept]
        assert [update.seq for update in kept] == list(range(LAST - 9, LAST + 1))


async def test_a_stream_of_a_task_that_was_heard_of_anew_says_that_its_numbers_begin_again(
    store: StatusStore, hub: Hub
) -> None:
    await store.advance(story(last=5))
    reset, *rest = [update async for update in follow(store, hub, 99)]
    assert (reset.kind, reset.seq) == ("reset", 0)
    assert [update.seq for update in rest] == [1, 2, 3, 4, 5]


async def test_a_slow_reader_is_dropped_and_misses_nothing_when_it_comes_back(store: StatusStore, hub: Hub) -> None:
    begin, second, *rest = story()
    await store.advance([begin])
    with following(store, hub, "a1", 0, limit=8) as follower:
        await follower.catch_up()
        await store.advance([second])
        assert await follower.next(5)  # the hub reads by now
        await store.advance(rest)
        with pytest.raises(SubscriberTooSlow):
            await to_the_end(follower)
    assert await seqs(follow(store, hub, follower.seq)) == list(range(follower.seq + 1, LAST + 1))


async def test_followers_go_on_after_a_restart_of_the_server(own_server: Child, own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with (
        Redis.open(own_url, settings) as redis,
        StatusStore.open(redis, settings) as store,
        Hub.open(redis, settings) as hub,
        aclosing(follow(store, hub, 0)) as stream,
    ):
        await store.advance(story()[:3])
        assert [(await anext(stream)).seq for _ in range(3)] == [1, 2, 3]
        await kill(own_server, redis)
        await restart(own_server)
        await tell(store, story()[3:])
        assert await seqs(stream) == list(range(4, LAST + 1))


async def test_an_entry_of_the_live_feed_that_somebody_else_wrote_does_not_stop_the_hub(
    redis: Redis, store: StatusStore, hub: Hub
) -> None:
    begin, *rest = story()
    await store.advance([begin])
    async with aclosing(follow(store, hub, 0)) as stream:
        assert (await anext(stream)).seq == 1
        await redis.execute("XADD", "petiole:live", "*", "somebody", "else")
        await tell(store, rest)
        assert await seqs(stream) == list(range(2, LAST + 1))


async def test_a_hub_stops_at_once_at_whatever_moment_it_is_stopped(redis: Redis, settings: BridgeSettings) -> None:
    for moment in range(300):
        async with asyncio.timeout(1), Hub.open(redis, settings):
            for _ in range(moment % 7):
                await redis.execute("XADD", "petiole:live", "*", "i", "a1", "s", 1, "u", "{}")
