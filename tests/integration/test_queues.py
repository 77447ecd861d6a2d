"""Queues, workers and watchers as they stand in Redis."""

import json

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.keys import PRIORITY_STEPS
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.remote.queues import Queues
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from bridge.watch.signs_of_life import FORGET_WATCHER_MS, FORGET_WORKER_MS, SignsOfLife
from tests.celery_says import WORKER, heartbeat
from tests.clocks import Clock
from tests.integration.submissions import TOMORROW, submission


@pytest.fixture
def queues(redis: Redis, settings: BridgeSettings) -> Queues:
    return Queues(redis, settings)


@pytest.fixture
def signs(redis: Redis, settings: BridgeSettings) -> SignsOfLife:
    return SignsOfLife(redis, settings, "watcher-1")


async def test_a_queue_is_as_deep_as_its_four_lists(publisher: Publisher, queues: Queues, clock: Clock) -> None:
    for number, priority in enumerate((0, 2, 5, 9)):
        await publisher.publish(submission(f"a{number}", queue="mail", priority=priority))

    depths = {depth.name: depth for depth in (await queues.backlog(clock.ms)).queues}

    assert depths.keys() == {"celery", "mail"}
    assert depths["mail"].ready == 4
    assert depths["mail"].by_priority == dict(zip(PRIORITY_STEPS, (2, 1, 0, 1), strict=True))
    assert depths["celery"].ready == 0


async def test_the_backlog_tells_what_is_held_and_what_is_with_workers(
    publisher: Publisher, queues: Queues, redis: Redis, clock: Clock
) -> None:
    await publisher.publish(submission("a1", eta=TOMORROW))
    await publisher.publish(submission("a2", queue="mail", eta=TOMORROW))
    await publisher.publish(submission("a3"))
    taken = {"1": ["celery"], "2": ["mail"], "3": ["mail"], "4": ['odd "name"'], "5": []}
    for tag, (*routing_key,) in taken.items():
        await redis.execute("HSET", "unacked", tag, json.dumps([{"body": "x" * 2_000}, "", *routing_key]))

    backlog = await queues.backlog(clock.ms)

    assert (backlog.scheduled, backlog.unacked, backlog.open, backlog.is_exact) == (2, 5, 3, True)
    assert {queue.name: (queue.scheduled, queue.unacked) for queue in backlog.queues} == {
        "celery": (1, 1),
        "mail": (1, 2),
    }


async def test_counts_by_queue_are_said_to_be_short_when_there_is_too_much_to_look_at(
    redis: Redis, settings: BridgeSettings, clock: Clock
) -> None:
    queues = Queues(redis, settings, looked_at=2_000)
    value = json.dumps([{}, "", "celery"])
    pairs = [part for tag in range(3_000) for part in (f"t{tag}", value)]
    await redis.execute("HSET", "unacked", *pairs)
    backlog = await queues.backlog(clock.ms)
    assert (backlog.unacked, backlog.is_exact) == (3_000, False)
    assert 2_000 <= backlog.queues[0].unacked < 3_000


async def test_the_task_that_waits_longest_tells_since_when(
    publisher: Publisher, queues: Queues, redis: Redis, clock: Clock
) -> None:
    assert (await queues.backlog(clock.ms)).queues[0].oldest_since is None
    first = clock.ms
    await publisher.publish(submission("a1", priority=9))
    clock.now += 10
    await publisher.publish(submission("a2"))
    assert (await queues.backlog(clock.ms)).queues[0].oldest_since == first
    await redis.execute("RPOP", "celery\x06\x169")
    assert (await queues.backlog(clock.ms)).queues[0].oldest_since == first + 10_000


async def test_a_task_that_was_put_off_waits_since_it_was_to_run(
    publisher: Publisher, queues: Queues, store: StatusStore, clock: Clock
) -> None:
    await publisher.publish(submission("a1", eta=TOMORROW))
    clock.now = TOMORROW.timestamp() + 5
    await store.release_due(clock.ms)
    assert (await queues.backlog(clock.ms)).queues[0].oldest_since == clock.ms - 5_000


@pytest.mark.parametrize("message", ["", "no message", "[]", '{"headers": []}', '{"headers": {"id": 7}}'])
async def test_a_message_of_somebody_else_tells_nothing(
    queues: Queues, redis: Redis, clock: Clock, message: str
) -> None:
    await redis.execute("LPUSH", "celery", message)
    (queue,) = (await queues.backlog(clock.ms)).queues
    assert (queue.ready, queue.oldest_since) == (1, None)


async def test_a_queue_has_the_workers_that_told_and_are_online(
    queues: Queues, signs: SignsOfLife, redis: Redis, clock: Clock
) -> None:
    signs.heard(heartbeat(), clock.ms)
    await signs.give(clock.ms, lag_ms=0)
    told = {WORKER: {"queues": ["mail"], "pool_size": 4}, "gone": {"queues": ["mail", "old"]}}
    await redis.execute("SET", "petiole:survey", json.dumps(told))

    (worker,) = await queues.workers(clock.ms)
    assert (worker.pool_size, worker.queues) == (4, ["mail"])
    assert {queue.name: list(queue.consumers) for queue in (await queues.backlog(clock.ms)).queues} == {
        "celery": [],
        "mail": [WORKER],
    }
    assert await queues.is_known("mail", clock.ms)
    assert not await queues.is_known("old", clock.ms)
    later = clock.ms + 60_000
    assert [queue.name for queue in (await queues.backlog(later)).queues] == ["celery"]


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


ODD_HEARTBEATS = {
    "no JSON": "not json",
    "no object": "[[1, 2]]",
    "without a time": '{"heartbeat":{"type":"worker-heartbeat"}}',
    "with a time without end": '{"at":1e400,"heartbeat":{"type":"worker-heartbeat"}}',
    "without a heartbeat": '{"at":1,"heartbeat":5}',
    "that comes often": '{"at":1,"heartbeat":{"type":"worker-heartbeat","freq":"often"}}',
    "that runs many": '{"at":1,"heartbeat":{"type":"worker-heartbeat","active":"many"}}',
    "under load": '{"at":1,"heartbeat":{"type":"worker-heartbeat","loadavg":["high"]}}',
    "nested deep": "[" * 100_000,
}


@pytest.mark.parametrize("odd", ODD_HEARTBEATS.values(), ids=ODD_HEARTBEATS)
async def test_one_odd_heartbeat_hides_no_other_worker(
    queues: Queues, signs: SignsOfLife, redis: Redis, clock: Clock, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    signs.heard(heartbeat(), clock.ms)
    await signs.give(clock.ms, lag_ms=0)
    await redis.execute("HSET", "petiole:workers", "stranger", odd, b"\xff", "x")

    assert [worker.hostname for worker in await queues.workers(clock.ms)] == [WORKER]
    assert [queue.name for queue in (await queues.backlog(clock.ms)).queues] == ["celery"]
    assert caplog.text.count("passed over an entry of petiole:workers") == 4
    await signs.forget_old(clock.ms + FORGET_WORKER_MS - 1)
    assert [worker.hostname for worker in await queues.workers(clock.ms)] == [WORKER]


async def test_an_odd_heartbeat_is_not_even_noted(signs: SignsOfLife, redis: Redis, clock: Clock) -> None:
    with pytest.raises(UnreadableBytes, match="not a heartbeat: "):
        signs.heard({**heartbeat(), "freq": "often"}, clock.ms)
    await signs.give(clock.ms, lag_ms=0)
    assert await redis.execute("EXISTS", "petiole:workers") == 0


@pytest.mark.parametrize("odd", ["not json", "5", '{"at":null,"lag_ms":null}', '{"at":1}'])
async def test_one_odd_sign_of_life_hides_no_other_watcher(
    queues: Queues, signs: SignsOfLife, redis: Redis, clock: Clock, odd: str
) -> None:
    await signs.give(clock.ms, lag_ms=0)
    await redis.execute("HSET", "petiole:watchers", "stranger", odd)
    assert [watcher.name for watcher in await queues.watchers()] == ["watcher-1"]
    await signs.forget_old(clock.ms)
    assert await redis.execute("HKEYS", "petiole:watchers") == [b"watcher-1"]


@pytest.mark.parametrize("odd", ["not json", "[5]", '{"%s":5}', '{"%s":{"queues":"mail"}}', '{"%s":{"pool_size":"x"}}'])
async def test_a_worker_whose_word_on_itself_is_odd_is_known_by_its_heartbeat(
    queues: Queues, signs: SignsOfLife, redis: Redis, clock: Clock, odd: str
) -> None:
    signs.heard(heartbeat(), clock.ms)
    await signs.give(clock.ms, lag_ms=0)
    await redis.execute("SET", "petiole:survey", odd.replace("%s", WORKER))
    (worker,) = await queues.workers(clock.ms)
    assert (worker.online, worker.pool_size, worker.queues) == (True, None, None)


@pytest.mark.parametrize("key", ["petiole:queues", "petiole:paused"])
async def test_a_queue_whose_name_is_no_text_hides_no_other(
    queues: Queues, redis: Redis, clock: Clock, key: str
) -> None:
    await redis.execute("SADD", key, b"\xff\xfe", "mail")
    await redis.execute("HSET", "unacked", "1", b'[{}, "", "\xff"]')
    assert [queue.name for queue in (await queues.backlog(clock.ms)).queues] == ["celery", "mail"]
