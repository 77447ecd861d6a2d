"""What workers/catalog.py writes by way of Kombu's own connection is what the bridge reads."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery
from kombu.asynchronous.timer import Timer

from bridge.protocol.catalog import Catalog
from bridge.redis import Redis
from bridge.remote.task_types import TaskTypes
from bridge.settings import BridgeSettings
from workers.catalog import LIFE_SECONDS, announce


class Consumer:
    """As much of a worker's consumer as a step of it needs; its connection and timer are true ones."""

    def __init__(self, app: Celery, hostname: str) -> None:
        self.app = app
        self.hostname = hostname
        self.connection = app.connection()
        self.timer = Timer()


class Worker:
    """A worker that announces, and starts and stops when it is told to."""

    def __init__(self, app: Celery, hostname: str, **told: Any) -> None:
        app.steps.clear()
        announce(app, **told)
        ((step,),) = app.steps.values()
        self.consumer = Consumer(app, hostname)
        self.step = step(self.consumer)

    def start(self) -> None:
        self.step.start(self.consumer)

    def stop(self) -> None:
        self.step.stop(self.consumer)

    def refresh(self) -> None:
        """What its timer does every few seconds; run by hand, the timer would wait for them to pass."""
        self.step._safely(self.step._refresh)


def app_with(doc: str, url: str, **transport_options: Any) -> Celery:
    """An application with one task."""
    app = Celery("example", broker=url, set_as_current=False)
    app.conf.broker_transport_options = transport_options

    @app.task(name="mail.send", shared=False)
    def send(to: str) -> None: ...

    app.tasks["mail.send"].__doc__ = doc
    return app


@contextmanager
def worker(app: Celery, hostname: str = "w1@example", **told: Any) -> Iterator[Worker]:
    made = Worker(app, hostname, **told)
    made.start()
    yield made
    made.stop()
    made.consumer.connection.release()
    app.close()


@pytest.fixture
async def redis(shared_url: str) -> AsyncIterator[Redis]:
    settings = BridgeSettings.load(redis_url=shared_url)
    async with Redis.open(settings.broker, settings) as gateway:
        await gateway.execute("FLUSHALL")
        yield gateway


async def catalog(redis: Redis, **settings: Any) -> Catalog:
    """What the bridge reads now."""
    told = BridgeSettings.load(redis_url=redis.settings.redis_url, **settings)
    return await TaskTypes(redis, told, time.monotonic).read()


async def docs(redis: Redis) -> list[str]:
    return [one.doc for one in (await catalog(redis)).types.values() if one.name == "mail.send"]


async def test_a_worker_announces_at_its_start_and_takes_it_back_at_its_end(redis: Redis, shared_url: str) -> None:
    with worker(app_with("Send.", shared_url)) as running:
        known = (await catalog(redis)).types["mail.send"]
        assert (known.doc, known.queue, known.schema["required"]) == ("Send.", "celery", ["to"])
        assert len(running.consumer.timer.queue) == 1
        keys = await redis.execute("KEYS", "*catalog*")
        assert len(keys) == 2
        assert all([0 < await redis.execute("TTL", key) <= LIFE_SECONDS for key in keys])
    assert await redis.execute("KEYS", "*catalog*") == []


async def test_of_two_workers_the_one_that_started_last_counts_also_after_redis_was_emptied(
    redis: Redis, shared_url: str
) -> None:
    with worker(app_with("old", shared_url), "z@example") as old:
        with worker(app_with("new", shared_url), "a@example") as new:
            assert await docs(redis) == ["new"]
            await redis.execute("FLUSHALL")
            new.refresh()
            old.refresh()
            assert await docs(redis) == ["new"]
        assert await docs(redis) == ["old"]


async def test_a_worker_that_stops_leaves_the_word_of_its_successor_of_the_same_name(
    redis: Redis, shared_url: str
) -> None:
    with worker(app_with("old", shared_url)) as old, worker(app_with("new", shared_url)):
        old.stop()
        assert await docs(redis) == ["new"]


async def test_a_refresh_keeps_an_announcement_alive_and_one_that_starts_clears_away_what_has_died(
    redis: Redis, shared_url: str
) -> None:
    with worker(app_with("Send.", shared_url), "w1@example") as one:
        await redis.execute("EXPIRE", "petiole:catalog:w1@example", 2)
        one.refresh()
        assert await redis.execute("TTL", "petiole:catalog:w1@example") > 2
        await redis.execute("DEL", "petiole:catalog:w1@example")
        with worker(app_with("Send.", shared_url), "w2@example"):
            assert await redis.execute("HKEYS", "petiole:catalog") == [b"w2@example"]


@pytest.mark.parametrize(
    ("transport_options", "told", "variable", "settings"),
    [
        ({"global_keyprefix": "site-"}, {}, "", {"broker_global_keyprefix": "site-"}),
        ({"global_keyprefix": "site-"}, {}, "ours:", {"broker_global_keyprefix": "site-", "prefix": "ours:"}),
        ({}, {"prefix": "ours:"}, "theirs:", {"prefix": "ours:"}),
    ],
)
async def test_it_stands_where_the_service_looks_for_it(
    redis: Redis,
    shared_url: str,
    monkeypatch: pytest.MonkeyPatch,
    transport_options: Any,
    told: Any,
    variable: str,
    settings: Any,
) -> None:
    monkeypatch.setenv("PETIOLE_PREFIX", variable)
    with worker(app_with("Send.", shared_url, **transport_options), **told):
        monkeypatch.delenv("PETIOLE_PREFIX")
        assert "mail.send" in (await catalog(redis, **settings)).types


def test_with_a_broker_that_is_not_redis_a_worker_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with worker(app_with("Send.", "memory://")) as other:
        assert list(other.consumer.timer.queue) == []
    assert "the broker is not Redis" in caplog.text


async def test_a_worker_that_may_not_write_says_so_once(
    redis: Redis, shared_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with worker(app_with("Send.", shared_url)) as one:
        await redis.execute("DEL", *one.step._keys)
        await redis.execute("SET", "petiole:catalog", "in the way of the hash")
        for _ in range(3):
            one.refresh()
        assert caplog.text.count("not announced, for now") == 1
        await redis.execute("DEL", "petiole:catalog")
        one.refresh()
        assert await docs(redis) == ["Send."]


def test_when_announcing_fails_a_worker_says_so_and_goes_on(own_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with worker(app_with("Send.", own_url, max_retries=0)) as cut_off:
        assert list(cut_off.consumer.timer.queue) == []
    assert "not announced, for now" in caplog.text
