"""Queues, workers and watchers as they stand in Redis."""

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.keys import PRIORITY_STEPS
from bridge.publisher import Publisher
from bridge.queues import Queues
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.signs_of_life import FORGET_WATCHER_MS, FORGET_WORKER_MS, SignsOfLife
from tests.celery_says import WORKER, heartbeat
from tests.integration.submissions import TOMORROW, Clock, submission


@pytest.fixture
def queues(redis: Redis, settings: BridgeSettings) -> Queues:
    return Queues(redis, settings)


@pytest.fixture
def signs(redis: Redis, settings: BridgeSettings) -> SignsOfLife:
    return SignsOfLife(redis, settings, "watcher-1")


async def test_a_queue_is_as_deep_as_its_four_lists(publisher: Publisher, queues: Queues) -> None:
    for number, priority in enumerate((0, 2, 5, 9)):
        await publisher.publish(submission(f"a{number}", queue="mail", priority=priority))

    depths = {depth.name: depth for depth in (await queues.backlog()).queues}

    assert depths.keys() == {"celery", "mail"}
    assert depths["mail"].ready == 4
    assert depths["mail"].by_priority == dict(zip(PRIORITY_STEPS, (2, 1, 0, 1), strict=True))
    assert depths["celery"].ready == 0


async def test_the_backlog_tells_what_is_held_and_what_is_with_workers(
    publisher: Publisher, queues: Queues, redis: Redis
) -> None:
    await publisher.publish(submission("a1", eta=TOMORROW))
    await publisher.publish(submission("a2"))
    await redis.execute("HSET", "unacked", "tag", "message")

    backlog = await queues.backlog()

    assert (backlog.scheduled, backlog.unacked, backlog.open) == (1, 1, 2)


@pytest.mark.parametrize(
    ("kind", "silent_ms", "online"),
    [("worker-heartbeat", 0, True), ("worker-heartbeat", 7_000, False), ("worker-offline", 0, False)],
)
async def test_a_worker_is_online_while_its_heart_beats(
    queues: Queues, signs: SignsOfLife, clock: Clock, kind: str, silent_ms: int, online: bool
) -> None:
    signs.heard(heartbeat(kind=kind), clock.ms)
    await signs.give(clock.ms, lag_ms=3)

    (worker,) = await queues.workers(clock.ms + silent_ms)
    assert (worker.hostname, worker.online, worker.heard_at) == (WORKER, online, clock.ms)
    (watcher,) = await queues.watchers()
    assert (watcher.name, watcher.at, watcher.lag_ms) == ("watcher-1", clock.ms, 3)


async def test_workers_and_watchers_that_fell_silent_are_forgotten(
    queues: Queues, signs: SignsOfLife, clock: Clock
) -> None:
    signs.heard(heartbeat(), clock.ms)
    await signs.give(clock.ms, lag_ms=0)

    await signs.forget_old(clock.ms + FORGET_WATCHER_MS + 1)
    assert (len(await queues.workers(clock.ms)), await queues.watchers()) == (1, [])
    await signs.forget_old(clock.ms + FORGET_WORKER_MS + 1)
    assert await queues.workers(clock.ms) == []


def test_an_event_of_no_worker_is_unreadable(signs: SignsOfLife) -> None:
    with pytest.raises(UnreadableBytes, match="an event of no worker"):
        signs.heard({"type": "worker-heartbeat"}, 0)


async def test_a_sign_of_life_that_somebody_else_wrote_is_unreadable(queues: Queues, redis: Redis) -> None:
    await redis.execute("HSET", "petiole:watchers", "w", "not json")
    with pytest.raises(UnreadableBytes, match="not a sign of life"):
        await queues.watchers()
