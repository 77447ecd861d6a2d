"""The catalog as it is read from Redis."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge import TaskClient
from bridge.errors import BrokerUnavailable
from bridge.protocol.catalog import TaskType
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.remote.task_types import TaskTypes
from bridge.settings import BridgeSettings
from tests.clocks import Clock


class Site:
    """Workers that announce, and who reads it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.keys = Keys(redis.settings.prefix)
        self.clock = Clock()
        self.types = TaskTypes(redis, redis.settings, self.clock)

    async def announce(self, worker: str, since: int, **docs: str) -> None:
        """As workers/catalog.py does it."""
        types: list[dict[str, Any]] = [
            {"name": name, "doc": doc, "schema": None, "queue": None, "retry": {}}
            | {"time_limit": None, "soft_time_limit": None}
            for name, doc in docs.items()
        ]
        await self.store(worker, since, json.dumps({"version": 1, "task_types": types}))

    async def store(self, worker: str, since: object, said: str) -> None:
        await self.redis.execute("SET", self.keys.announcement(worker), said)
        await self.redis.execute("HSET", self.keys.catalog, worker, str(since))

    async def docs(self) -> dict[str, str]:
        """The docs of all types, a second later."""
        self.clock.now += TaskTypes.FRESH_SECONDS
        return {name: one.doc for name, one in (await self.types.read()).types.items()}


@pytest.fixture
def site(redis: Redis) -> Site:
    return Site(redis)


async def test_where_nobody_announces_there_are_no_types(site: Site) -> None:
    assert await site.docs() == {}


async def test_an_odd_announcement_hides_no_other(site: Site) -> None:
    await site.announce("w1", 10, a="of w1")
    await site.redis.execute("HSET", site.keys.catalog, b"\xff", 11, "w2", "9" * 10_000, "w3", b"\xff")
    await site.redis.execute("RPUSH", site.keys.announcement("w2"), "x")
    await site.redis.execute("SET", site.keys.announcement("w3"), b"\xff")
    await site.redis.execute("SET", site.keys.registered, "[" * 100_000)
    assert await site.docs() == {"a": "of w1"}


async def test_the_newest_announcement_counts_whatever_the_names_of_the_workers(site: Site) -> None:
    await site.announce("w1", 10, a="of w1", b="of w1")
    await site.announce("w2", 9, a="of w2", c="of w2")
    assert await site.docs() == {"a": "of w1", "b": "of w1", "c": "of w2"}
    await site.announce("w2", 11, a="of w2")
    assert await site.docs() == {"a": "of w2", "b": "of w1"}


async def test_a_type_goes_with_the_announcement_of_its_last_worker(site: Site) -> None:
    await site.announce("w1", 1, a="old")
    await site.announce("w2", 2, a="new")
    assert await site.docs() == {"a": "new"}
    await site.redis.execute("DEL", site.keys.announcement("w2"))
    assert await site.docs() == {"a": "old"}
    await site.redis.execute("DEL", site.keys.announcement("w1"))
    assert await site.docs() == {}


async def test_names_alone_stand_beside_what_is_announced(site: Site) -> None:
    await site.announce("w1", 1, a="announced")
    await site.redis.execute("SET", site.keys.registered, '["a","b"]')
    assert await site.docs() == {"a": "announced", "b": ""}
    assert (await site.types.read()).types["b"] == TaskType(name="b")


async def test_what_was_read_is_kept_for_a_second_and_is_the_same_value_until_it_changes(site: Site) -> None:
    await site.announce("w1", 1, a="first")
    first = await site.types.read()
    await site.announce("w1", 2, a="second")
    site.clock.now += TaskTypes.FRESH_SECONDS / 2
    assert await site.types.read() is first
    site.clock.now += TaskTypes.FRESH_SECONDS / 2
    second = await site.types.read()
    assert second.types["a"].doc == "second"
    site.clock.now += TaskTypes.FRESH_SECONDS
    assert await site.types.read() is second


@pytest.mark.parametrize("spoil", ["announcement", "since", "names"])
async def test_what_cannot_be_read_is_passed_over(site: Site, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    await site.announce("w1", 1, a="good")
    spoiled: dict[str, Callable[[], Any]] = {
        "announcement": lambda: site.store("w2", 2, "nonsense"),
        "since": lambda: site.store("w2", "yesterday", '{"version":1,"task_types":[]}'),
        "names": lambda: site.redis.execute("SET", site.keys.registered, "nonsense"),
    }
    await spoiled[spoil]()
    assert await site.docs() == {"a": "good"}
    assert ("passed over task types" in caplog.text) == (spoil != "since")


async def test_without_redis_it_says_so(own_url: str) -> None:
    settings = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(settings.broker, settings) as nowhere:
        with pytest.raises(BrokerUnavailable):
            await Site(nowhere).types.read()


async def test_a_client_has_the_task_types_of_its_installation(site: Site, client: TaskClient) -> None:
    await site.announce("w1", 1, a="announced")
    assert list((await client.task_types()).types) == ["a"]
