"""Following the tasks of a workflow on one stream: every update once, whatever happens in between."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from app.cli.processes.child import Child
from bridge.errors import SubscriberTooSlow, TaskNotFound
from bridge.follow.hub import Hub
from bridge.follow.workflow_follower import After, workflow_updates
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.news import News
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.records.status import StatusUpdate
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Planned
from bridge.submit.publisher import Publisher
from tests.integration.restarting import kill, restart
from tests.integration.submissions import DEADLINE, submission
from tests.integration.telling import news
from tests.integration.test_following import LAST, story, tell

IDS = tuple(f"a{number}" for number in range(8))
GROUP = ResultNode(id="g", children=tuple(ResultNode(id=task_id) for task_id in IDS))
STEPS = ResultNode(id="a1", parent=ResultNode(id="a0"))


def follow(store: StatusStore, hub: Hub, result: ResultNode, after: After = 0) -> AsyncGenerator[StatusUpdate, None]:
    return workflow_updates(store, hub, result, after)


async def seqs(stream: AsyncGenerator[StatusUpdate, None]) -> dict[str, list[int]]:
    """The numbers of each task's updates, up to the end of the stream."""
    told: dict[str, list[int]] = {}
    async with asyncio.timeout(DEADLINE):
        async for update in stream:
            told.setdefault(update.task_id, []).append(update.seq)
    return told


def stories(*task_ids: str, last: int = LAST) -> list[News]:
    """News of all tasks, which move together."""
    return [news for step in zip(*(story(task_id, last) for task_id in task_ids), strict=True) for news in step]


def whole(*task_ids: str, first: int = 1) -> dict[str, list[int]]:
    return {task_id: list(range(first, LAST + 1)) for task_id in task_ids}


async def test_whoever_joins_while_the_tasks_move_gets_every_update_once(store: StatusStore, hub: Hub) -> None:
    news = stories(*IDS)
    await store.advance(news[:1])
    followers = []
    for at in range(1, len(news), 50):
        followers.append(asyncio.create_task(seqs(follow(store, hub, GROUP))))
        await tell(store, news[at : at + 50])
    for told in await asyncio.gather(*followers):
        assert told == whole(*IDS)
    assert len(hub) == 0


async def test_a_stream_is_resumed_after_what_is_known_of_each_task(store: StatusStore, hub: Hub) -> None:
    await store.advance(stories("a0", "a1"))
    assert await seqs(follow(store, hub, STEPS, {"a0": LAST, "a1": 40})) == whole("a1", first=41)
    assert await seqs(follow(store, hub, STEPS, LAST)) == {}


async def test_a_task_that_was_heard_of_anew_is_followed_from_its_start_after_a_reset(
    store: StatusStore, hub: Hub
) -> None:
    await store.advance([*story("a0"), *story("a1", last=10)])
    assert await seqs(follow(store, hub, STEPS, LAST)) == {"a1": list(range(11))}


async def test_what_is_not_kept_of_a_task_is_told_as_its_reset(redis: Redis, settings: BridgeSettings) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    async with StatusStore.open(redis, short) as store, Hub.open(redis, short) as hub:
        await store.advance([*story("a0"), *story("a1", last=5)])
        first, *rest = [update async for update in follow(store, hub, STEPS)]
        assert (first.kind, first.task_id, first.seq, first.status) == ("reset", "a0", LAST - 10, Status.SUCCEEDED)
        assert [(update.task_id, update.seq) for update in rest] == [
            *(("a0", seq) for seq in range(LAST - 9, LAST + 1)),
            *(("a1", seq) for seq in range(1, 6)),
        ]
        assert await seqs(follow(store, hub, STEPS, {"a0": first.seq, "a1": 5})) == {
            "a0": list(range(LAST - 9, LAST + 1))
        }


async def test_what_went_while_a_reader_of_a_workflow_was_behind_is_told_as_a_reset(
    redis: Redis, settings: BridgeSettings
) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    begin, *rest = story("a1")
    async with StatusStore.open(redis, short) as store, Hub.open(redis, short) as hub:
        await store.advance([*story("a0", last=5), begin])
        async with aclosing(follow(store, hub, STEPS)) as stream:
            assert [(await anext(stream)).seq for _ in range(6)] == [*range(1, 6), 1]
            await store.advance(rest[:30])
            hub._mark_all_stale()
            reset = await anext(stream)
            assert (reset.kind, reset.seq, reset.status) == ("reset", 21, Status.RUNNING)
            assert [(await anext(stream)).seq for _ in range(10)] == list(range(22, 32))
            await tell(store, rest[30:])
            assert await seqs(stream) == {"a1": list(range(32, LAST + 1))}


async def test_a_step_is_heard_of_long_after_the_one_before_it_has_ended(store: StatusStore, hub: Hub) -> None:
    await store.advance(story("a0"))
    async with aclosing(follow(store, hub, STEPS)) as stream:
        assert [(await anext(stream)).task_id for _ in range(LAST)] == ["a0"] * LAST
        await tell(store, story("a1"))
        assert await seqs(stream) == whole("a1")


async def test_a_body_that_is_neither_recorded_nor_told_is_given_up_after_some_silence(
    store: StatusStore, hub: Hub
) -> None:
    """As of a workflow that Celery started: those that were started here are recorded, and cancelled by a watcher."""
    chord = ResultNode(id="body", parent=GROUP)
    await store.advance([news(Status.FAILED, task_id=task_id, adopts=True) for task_id in IDS])
    assert await seqs(workflow_updates(store, hub, chord, 0, silence=0.05)) == {task_id: [1] for task_id in IDS}


@pytest.mark.parametrize("after", [0, 1])
async def test_a_step_of_which_nothing_is_known_but_its_end_has_ended(store: StatusStore, hub: Hub, after: int) -> None:
    """As it may be with a workflow that Celery started, of which a watcher hears late."""
    await store.advance([*story("a0"), news(Status.FAILED, task_id="a1", adopts=True)])
    assert await seqs(follow(store, hub, STEPS, {"a0": LAST, "a1": after})) == ({"a1": [1]} if not after else {})


@pytest.mark.parametrize("after", [0, 1])
async def test_a_stream_does_not_wait_for_a_step_that_was_planned_and_cannot_begin(
    store: StatusStore, publisher: Publisher, hub: Hub, after: int
) -> None:
    step = Planned(task_id="a1", task="b", route=Route(queue="celery"))
    await publisher.accept([publisher.ready(submission("a0")), publisher.ready_planned(step)])
    await store.advance([news(Status.FAILED, task_id="a0")])
    told = await seqs(follow(store, hub, STEPS, after))
    assert told == ({"a0": [1, 2], "a1": [1]} if not after else {"a0": [2]})


async def test_a_hub_that_fell_behind_is_no_gap_for_a_workflow(redis: Redis, settings: BridgeSettings) -> None:
    capped = settings.model_copy(update={"live_limit": 100})
    async with StatusStore.open(redis, capped) as store, Hub.open(redis, capped) as hub:
        begin, *rest = stories(*IDS)
        await store.advance([begin])
        async with aclosing(follow(store, hub, GROUP)) as stream:
            assert (await anext(stream)).task_id == "a0"
            await store.advance(rest)
            assert await seqs(stream) == whole(*IDS) | {"a0": list(range(2, LAST + 1))}


async def test_a_slow_reader_of_a_workflow_is_dropped_and_misses_nothing_when_it_comes_back(
    store: StatusStore, hub: Hub
) -> None:
    begin, *rest = stories("a0", "a1", last=800)
    await store.advance([begin])
    async with aclosing(follow(store, hub, STEPS)) as slow, aclosing(follow(store, hub, STEPS)) as quick:
        assert (await anext(slow)).seq == (await anext(quick)).seq == 1
        await store.advance(rest)
        assert (await seqs(quick))["a1"][-1] == 800  # so the hub has handed all of them to both
        with pytest.raises(SubscriberTooSlow):
            await seqs(slow)
    told = await seqs(follow(store, hub, STEPS, {"a0": 1}))
    assert told["a0"][-1] == told["a1"][-1] == 800


async def test_a_record_that_goes_while_it_is_followed_is_not_waited_for(
    redis: Redis, store: StatusStore, hub: Hub
) -> None:
    begin, second, *_ = stories("a0", "a1")
    await store.advance([begin, second])
    async with aclosing(follow(store, hub, STEPS)) as stream:
        assert {(await anext(stream)).task_id for _ in range(2)} == {"a0", "a1"}
        await redis.execute("DEL", "petiole:task:a0")
        hub._mark_all_stale()
        with pytest.raises(TaskNotFound):
            await seqs(stream)


async def test_a_workflow_is_followed_through_a_restart_of_the_server(own_server: Child, own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with (
        Redis.open(own_url, settings) as redis,
        StatusStore.open(redis, settings) as store,
        Hub.open(redis, settings) as hub,
        aclosing(follow(store, hub, STEPS)) as stream,
    ):
        news = stories("a0", "a1")
        await store.advance(news[:4])
        assert [(await anext(stream)).seq for _ in range(4)] == [1, 2, 1, 2]
        await kill(own_server, redis)
        await restart(own_server)
        await tell(store, news[4:])
        assert await seqs(stream) == whole("a0", "a1", first=3)
