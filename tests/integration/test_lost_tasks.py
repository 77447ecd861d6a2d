"""Tasks whose worker has gone, and their message with it; and those that only look like it."""

import json
from collections.abc import Mapping, Sequence, Set

import pytest

from bridge.ids import Ids
from bridge.protocol.keys import BrokerKeys
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.remote.mailbox import Mailbox
from bridge.remote.queues import Queues
from bridge.settings import BridgeSettings
from bridge.watch.lost_tasks import Search
from bridge.watch.signs_of_life import SignsOfLife
from bridge.watch.watcher import Watcher
from bridge.watch.whereabouts import DEEPEST_SEARCH, PAGE, Whereabouts
from tests.celery_says import WORKER, heartbeat, meta
from tests.clocks import Clock
from tests.integration.pidbox import Panel, serving
from tests.integration.telling import in_status, news
from tests.integration.watching import Worker, result_of, watcher


@pytest.fixture
def listener(redis: Redis, store: StatusStore, clock: Clock) -> Watcher:
    """A watcher that has listened since before everything."""
    return watcher(redis, store, clock)


async def beats(redis: Redis, settings: BridgeSettings, clock: Clock) -> None:
    """A heartbeat of the worker is heard."""
    signs = SignsOfLife(redis, settings, "watcher-1")
    signs.heard(heartbeat(), clock.ms)
    await signs.give(clock.ms, 0)


async def runs(store: StatusStore, task_id: str = "a1", status: Status = Status.RUNNING, **facts: str) -> None:
    """A task that the worker has."""
    told = {"queue": "celery", **facts}
    await store.advance([news(status, task_id=task_id, adopts=True, facts=told, changes={"worker": WORKER})])


def message(task_id: str = "a1") -> str:
    return json.dumps({"headers": {"id": task_id}})


@pytest.fixture
async def silent(redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock, listener: Watcher) -> None:
    """A worker took task a1, and nothing was heard of it since."""
    await beats(redis, settings, clock)
    await runs(store)
    clock.now += settings.lost_after


@pytest.mark.usefixtures("silent")
async def test_a_task_is_lost_when_its_worker_is_silent_and_its_message_is_nowhere(
    redis: Redis, store: StatusStore, listener: Watcher
) -> None:
    assert await listener.sweep() == 1
    assert await listener.sweep() == 0

    ended = await result_of(store)
    assert (ended["status"], ended["final"]) == ("lost", True)
    assert ended["error"] == {"type": "WorkerLostError", "message": f"{WORKER} had the task, and nobody has it now"}
    await Worker(redis).keeps("a1", meta("a1", "SUCCESS", 3))
    assert await listener.sweep() == 0


async def test_a_task_that_was_received_only_may_be_lost_too(
    redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock, listener: Watcher
) -> None:
    await beats(redis, settings, clock)
    await runs(store, status=Status.RECEIVED)
    clock.now += settings.lost_after
    assert await listener.sweep() == 1


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("key", BrokerKeys().lists("celery"))
async def test_a_task_whose_message_waits_in_its_queue_is_not_lost(redis: Redis, listener: Watcher, key: str) -> None:
    await redis.execute("RPUSH", key, "not a message", *[message("other")] * PAGE, message())
    assert await listener.sweep() == 0
    await redis.execute("LTRIM", key, 0, -2)
    assert await listener.sweep() == 1


@pytest.mark.usefixtures("silent")
async def test_a_task_that_is_not_acknowledged_is_not_lost(redis: Redis, listener: Watcher) -> None:
    others = [part for tag in range(2 * PAGE) for part in (f"tag-{tag}", f"[{message('other')}, '', 'celery']")]
    await redis.execute("HSET", "unacked", *others, "odd", "not JSON", "tag", json.dumps([json.loads(message())]))
    assert await listener.sweep() == 0
    await redis.execute("HDEL", "unacked", "tag")
    assert await listener.sweep() == 1


@pytest.mark.usefixtures("silent")
async def test_in_a_queue_that_is_too_deep_to_search_every_task_may_still_wait(redis: Redis, listener: Watcher) -> None:
    await redis.execute("RPUSH", "celery", *["x"] * (DEEPEST_SEARCH + 1))
    assert await listener.sweep() == 0
    await redis.execute("LPOP", "celery")
    assert await listener.sweep() == 1


@pytest.mark.usefixtures("silent")
async def test_a_queue_whose_key_is_no_list_says_nothing(redis: Redis, listener: Watcher) -> None:
    await redis.execute("SET", "celery", "not a list")
    assert await listener.sweep() == 0


@pytest.mark.usefixtures("silent")
async def test_a_watcher_that_has_just_begun_to_listen_declares_nothing_lost(
    redis: Redis, store: StatusStore, clock: Clock
) -> None:
    assert await watcher(redis, store, clock).sweep() == 0


@pytest.mark.usefixtures("silent")
async def test_a_task_that_may_have_ended_unheard_is_lost_only_when_it_stores_results(
    redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock
) -> None:
    later = watcher(redis, store, clock)
    clock.now += settings.lost_after
    assert await later.sweep() == 0
    await Worker(redis).keeps("a1", meta("a1", "STARTED", {"hostname": WORKER}))
    assert await later.sweep() == 1


@pytest.mark.usefixtures("silent")
async def test_a_record_that_is_spoilt_does_not_end_the_search(
    redis: Redis, store: StatusStore, listener: Watcher
) -> None:
    await runs(store, "b1")
    await redis.execute("SET", "petiole:task:b1", "not a record")
    assert await listener.sweep() == 1


@pytest.mark.usefixtures("silent")
async def test_a_task_with_news_of_late_is_not_lost(store: StatusStore, clock: Clock, listener: Watcher) -> None:
    await store.advance([news(None, at_ms=clock.ms - 1, details={"progress": {"current": 1}})])
    assert await listener.sweep() == 0


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.SCHEDULED, Status.RETRYING])
async def test_a_task_that_no_worker_has_is_not_lost(
    redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock, listener: Watcher, status: Status
) -> None:
    await beats(redis, settings, clock)
    await runs(store, status=status)
    clock.now += settings.lost_after
    assert await listener.sweep() == 0


async def test_a_task_whose_worker_or_queue_nobody_knows_is_not_lost(
    redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock, listener: Watcher
) -> None:
    await in_status(store, Status.RUNNING)
    await runs(store, "b1")  # of a worker that sends no heartbeats
    await store.advance([news(Status.RUNNING, task_id="c1", adopts=True, changes={"worker": WORKER})])
    clock.now += settings.lost_after
    assert await listener.sweep() == 0
    clock.now -= settings.lost_after
    await beats(redis, settings, clock)
    clock.now += settings.lost_after
    assert await listener.sweep() == 1


def running(*task_ids: str) -> list[dict[str, str]]:
    """What a worker replies that runs these."""
    return [{"id": task_id} for task_id in task_ids]


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    ("reply", "lost"),
    [(running("a1", "b1"), 0), (running("b1"), 1), (running(), 1), ({"error": "busy"}, 0)],
    ids=["it runs it", "it runs another", "it runs nothing", "it cannot say"],
)
async def test_a_worker_that_is_not_silent_is_asked_what_it_runs(
    redis: Redis, settings: BridgeSettings, clock: Clock, listener: Watcher, reply: object, lost: int
) -> None:
    await beats(redis, settings, clock)
    panel = Panel(redis, WORKER, lambda _: reply)
    async with serving(panel):
        assert await listener.sweep() == lost
        asked = await panel.hears()
    assert (asked["method"], asked["destination"]) == ("active", [WORKER])


@pytest.mark.usefixtures("silent")
async def test_a_worker_that_does_not_answer_is_busy(
    redis: Redis, settings: BridgeSettings, clock: Clock, listener: Watcher
) -> None:
    await beats(redis, settings, clock)
    assert await listener.sweep() == 0


class Moving(Whereabouts):
    """Sees at each look what it is told."""

    def __init__(self, redis: Redis, *looks: Set[str]) -> None:
        super().__init__(redis)
        self.looks = list(looks)

    async def present(self, queue_of: Mapping[str, str]) -> Set[str]:
        return self.looks.pop(0)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(("looks", "lost"), [((set(), {"a1"}), []), (({"a1"},), []), ((set(), set()), ["a1"])])
async def test_a_message_that_moves_while_it_is_sought_is_found_by_a_second_look(
    redis: Redis,
    store: StatusStore,
    settings: BridgeSettings,
    clock: Clock,
    looks: Sequence[Set[str]],
    lost: Sequence[str],
) -> None:
    moving = Moving(redis, *looks)
    search = Search(store, moving, Mailbox(redis, Ids().new), Queues(redis, settings))
    search.pause = 0
    assert [one.task_id for one in await search.lost(clock.ms)] == lost
    assert moving.looks == []
