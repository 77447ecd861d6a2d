"""Workers are asked for their queues and their pools: when they appear, after a pause, and now and then."""

from typing import Any

import pytest

from bridge.redis import Redis
from bridge.remote.asking import ASK_AGAIN_MS, ASK_THE_SILENT_MS, REPLY_SECONDS
from bridge.remote.queues import Queues
from bridge.watch.worker_survey import WorkerSurvey
from tests.integration.heartbeats import Heartbeats
from tests.integration.pidbox import Body, Panel, serving


class Site(Heartbeats):
    """Workers whose heartbeats are heard, and a watcher that asks them."""

    def __init__(self, redis: Redis, reply_seconds: float = REPLY_SECONDS) -> None:
        super().__init__(redis)
        self.survey = WorkerSurvey(redis, lambda: self.now_ms, reply_seconds)

    async def known(self) -> list[tuple[str, Any, Any]]:
        """What the API reads."""
        workers = await Queues(self.redis, self.redis.settings).workers(self.now_ms)
        return [(worker.hostname, worker.queues, worker.pool_size) for worker in workers]


class Told:
    """What a worker replies; counts how often it was asked for its queues."""

    def __init__(self, *queues: str, pool: object = None) -> None:
        self.queues = list(queues)
        self.pool = {"max-concurrency": 4} if pool is None else pool
        self.times = 0

    def __call__(self, body: Body) -> object:
        if body["method"] == "stats":
            return {"total": {}, "pool": self.pool}
        assert body["method"] == "active_queues"
        self.times += 1
        return [{"name": name} for name in self.queues]


@pytest.fixture
def site(redis: Redis) -> Site:
    return Site(redis)


async def test_a_worker_is_asked_when_it_appears_and_not_again_at_once(site: Site) -> None:
    told = Told("mail", "celery")
    await site.beats("w1")
    assert await site.known() == [("w1", None, None)]
    async with serving(Panel(site.redis, "w1", told)):
        assert await site.survey.ask() == 1
        assert await site.survey.ask() == 1
    assert await site.known() == [("w1", ["celery", "mail"], 4)]
    assert told.times == 1


async def test_it_is_asked_again_after_a_minute_a_restart_and_a_pause(site: Site) -> None:
    told = Told("a")
    async with serving(Panel(site.redis, "w1", told)):
        await site.beats("w1")
        await site.survey.ask()
        await site.beats("w1", pid=2)
        await site.survey.ask()
        await site.redis.execute("SADD", "petiole:paused", "a")
        told.queues = []
        await site.survey.ask()
        assert await site.known() == [("w1", [], 4)]
        site.now_ms += ASK_AGAIN_MS
        await site.beats("w1", pid=2)
        await site.survey.ask()
    assert told.times == 4


async def test_one_that_does_not_reply_is_asked_again_sooner(redis: Redis) -> None:
    site, told = Site(redis, reply_seconds=1), Told("a")
    await site.beats("w1")
    await site.survey.ask()
    async with serving(Panel(site.redis, "w1", told)):
        await site.survey.ask()
        assert (await site.known(), told.times) == ([("w1", None, None)], 0)
        site.now_ms += ASK_THE_SILENT_MS
        await site.beats("w1")
        await site.survey.ask()
        assert (await site.known(), told.times) == ([("w1", ["a"], 4)], 1)


async def test_what_a_busy_worker_told_before_is_kept_until_it_starts_anew(redis: Redis) -> None:
    site = Site(redis, reply_seconds=1)
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a"))):
        await site.survey.ask()
    site.now_ms += ASK_AGAIN_MS
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", None)):
        assert await site.survey.ask() == 1
        assert await site.known() == [("w1", ["a"], 4)]
        await site.beats("w1", pid=2)
        assert await site.survey.ask() == 0
    assert await site.known() == [("w1", None, None)]


async def test_what_is_known_goes_with_the_worker_and_with_the_watchers(site: Site) -> None:
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a"))):
        await site.survey.ask()
    assert 0 < await site.redis.execute("TTL", "petiole:survey") <= 60
    await site.beats("w1", kind="worker-offline")
    assert await site.survey.ask() == 0


@pytest.mark.parametrize("pool", [{"max-concurrency": "N/A"}, {}, "none"])
async def test_a_pool_that_does_not_tell_its_size_has_none(site: Site, pool: object) -> None:
    await site.beats("")
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a", pool=pool))):
        await site.survey.ask()
    assert ("w1", ["a"], None) in await site.known()


async def test_a_reply_that_is_an_error_tells_nothing(site: Site) -> None:
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", lambda _body: {"error": "no"})):
        assert await site.survey.ask() == 0
