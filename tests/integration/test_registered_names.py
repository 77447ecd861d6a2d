"""Workers that announce nothing are asked for the names of their tasks: when they appear, and now and then."""

import json

import pytest

from bridge.redis import Redis
from bridge.remote.asking import ASK_AGAIN_MS, REPLY_SECONDS
from bridge.watch.registered_names import RegisteredNames
from tests.integration.heartbeats import Heartbeats
from tests.integration.pidbox import Body, Panel, serving


class Site(Heartbeats):
    """Workers whose heartbeats are heard, and a watcher that asks them."""

    def __init__(self, redis: Redis, reply_seconds: float = REPLY_SECONDS) -> None:
        super().__init__(redis)
        self.names = RegisteredNames(redis, lambda: self.now_ms, reply_seconds)

    async def stored(self) -> list[str]:
        """The names that the API reads."""
        return list(json.loads(await self.redis.execute("GET", self.keys.registered)))


class Told:
    """What a worker replies; counts how often it was asked."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.times = 0

    def __call__(self, body: Body) -> object:
        assert body["method"] == "registered"
        self.times += 1
        return self.names


@pytest.fixture
def site(redis: Redis) -> Site:
    return Site(redis)


async def test_a_worker_is_asked_when_it_appears_and_not_again_at_once(site: Site) -> None:
    told = Told("mail.send [rate_limit=10/m]", "celery.chord", "add")
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", told)):
        assert await site.names.learn() == 2
        assert await site.names.learn() == 2
    assert await site.stored() == ["add", "mail.send"]
    assert told.times == 1


async def test_it_is_asked_again_after_a_minute_and_when_it_has_started_anew(site: Site) -> None:
    told = Told("old")
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", told)):
        await site.names.learn()
        told.names = ["new"]
        await site.beats("w1", pid=2)
        await site.names.learn()
        assert await site.stored() == ["new"]
        site.now_ms += ASK_AGAIN_MS
        await site.beats("w1", pid=2)
        await site.names.learn()
    assert told.times == 3


async def test_the_names_of_a_worker_go_with_it_and_nobody_is_asked_where_nobody_is(site: Site) -> None:
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a"))):
        await site.names.learn()
    await site.beats("w1", kind="worker-offline")
    assert await site.names.learn() == 0
    assert await site.stored() == []


async def test_a_worker_that_announces_is_not_asked(site: Site) -> None:
    told, silent = Told("a"), Told("b")
    await site.beats("w1")
    await site.beats("w2")
    await site.redis.execute("SET", site.keys.announcement("w1"), "its word")
    async with serving(Panel(site.redis, "w1", told), Panel(site.redis, "w2", silent)):
        await site.names.learn()
    assert (told.times, silent.times) == (0, 1)
    assert await site.stored() == ["b"]


async def test_what_a_busy_worker_told_before_is_kept(redis: Redis) -> None:
    site = Site(redis, reply_seconds=1)
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a"))):
        await site.names.learn()
    site.now_ms += ASK_AGAIN_MS
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", None)):
        assert await site.names.learn() == 1
    assert await site.stored() == ["a"]


async def test_a_heartbeat_with_a_name_that_no_worker_has_spoils_nothing(site: Site) -> None:
    await site.beats("")
    await site.beats("w1")
    async with serving(Panel(site.redis, "w1", Told("a"))):
        await site.names.learn()
    assert await site.stored() == ["a"]


async def test_the_names_do_not_outlive_the_watchers_for_long(site: Site) -> None:
    await site.names.learn()
    assert 0 < await site.redis.execute("TTL", site.keys.registered) <= 60
