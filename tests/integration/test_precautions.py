"""Orders that a worker would not survive are not sent; what Redis and the workers tell decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.ids import Ids
from bridge.protocol.keys import SEPARATOR
from bridge.redis import Redis
from bridge.remote.control import TaskControl
from bridge.remote.mailbox import Mailbox
from tests.integration.pidbox import Body, Panel, serving

ANSWERS: dict[str, Any] = {
    "active_queues": [
        {"name": "mail", "exchange": {"name": "mail", "type": "direct"}},
        {"name": "bcast.0f5c", "exchange": {"name": "everybody", "type": "fanout"}},
    ],
    "stats": {"pool": {"max-concurrency": 2, "processes": [7, 8]}},
}
LONG = 30.0


def answer(body: Body) -> object:
    return ANSWERS.get(body["method"], {"ok": "done"})


@pytest.fixture
def control(redis: Redis) -> TaskControl:
    return TaskControl(Mailbox(redis, Ids().new))


@pytest.fixture
async def panel(redis: Redis) -> AsyncIterator[Panel]:
    worker = Panel(redis, "w1@example", answer)
    async with serving(worker):
        yield worker


async def told(panel: Panel, control: TaskControl) -> list[str]:
    """What the worker has heard so far."""
    await control.heartbeat()
    methods: list[str] = []
    while "heartbeat" not in methods:
        methods.append((await panel.hears())["method"])
    return methods[:-1]


async def bind(redis: Redis, exchange: str, *members: tuple[str, str, str]) -> None:
    await redis.execute("SADD", f"_kombu.binding.{exchange}", *map(SEPARATOR.join, members))


@pytest.mark.parametrize(
    ("consumer", "known"),
    [
        (("q", "celery", "fanout"), "direct"),
        (("q", "celery", "topic"), "direct"),
        (("q", "places"), "topic"),
        (("places",), "topic"),
        (("q", "everybody"), "fanout"),
        (("q", "told", "direct"), "fanout"),
    ],
)
async def test_a_worker_is_not_told_that_an_exchange_is_what_it_is_not(
    redis: Redis, control: TaskControl, panel: Panel, consumer: tuple[str, ...], known: str
) -> None:
    await bind(redis, "celery", ("celery", "", "celery"))
    await bind(redis, "places", ("a.#", r"^a\..*?$", "all"))
    await bind(redis, "everybody", ("", "", "bcast.0f5c"))
    await bind(redis, "told", ("news.#", "", "told"))
    async with aclosing(redis.listen("/0.told/news.*")) as messages, asyncio.timeout(LONG):
        assert (await anext(messages)).begins
        with pytest.raises(InvalidMessage, match=f"is a {known} exchange") as refused:
            await control.add_consumer(*consumer)
    assert refused.value.pointer == "/exchange_type"
    assert await told(panel, control) == []


@pytest.mark.parametrize(
    "consumer", [("q", "celery"), ("q", "places", "topic", "b.#"), ("q", "everybody", "fanout"), ("q", "new", "topic")]
)
async def test_what_the_exchange_is_may_be_told(
    redis: Redis, control: TaskControl, panel: Panel, consumer: tuple[str, ...]
) -> None:
    await bind(redis, "celery", ("celery", "", "celery"))
    await bind(redis, "places", ("a.#", r"^a\..*?$", "all"))
    await bind(redis, "everybody", ("", "", "bcast.0f5c"))
    await control.add_consumer(*consumer)
    assert await told(panel, control) == ["add_consumer"]


@pytest.mark.parametrize(("queue", "why"), [("ahash", "of another kind in Redis"), ("petiole:history:a1", "Petiole's")])
async def test_a_worker_takes_no_tasks_from_what_is_no_queue(
    redis: Redis, control: TaskControl, panel: Panel, queue: str, why: str
) -> None:
    await redis.execute("HSET", "ahash", "a", "b")
    with pytest.raises(InvalidMessage, match=why) as refused:
        await control.add_consumer(queue)
    assert refused.value.pointer == "/queue"
    assert await told(panel, control) == []


async def test_a_worker_binds_nothing_where_bindings_are_kept_otherwise(
    redis: Redis, control: TaskControl, panel: Panel
) -> None:
    await redis.execute("SET", "_kombu.binding.x", "odd")
    with pytest.raises(UnreadableBytes, match="nothing was sent"):
        await control.add_consumer("q", "x")
    assert await told(panel, control) == []


async def test_a_worker_goes_on_hearing_a_fanout_exchange(control: TaskControl, panel: Panel) -> None:
    with pytest.raises(InvalidMessage, match="w1@example hears the fanout exchange 'everybody'") as refused:
        await control.cancel_consumer("bcast.0f5c", timeout=LONG)
    assert refused.value.pointer == "/queue"
    assert await told(panel, control) == ["active_queues"]
    assert await control.cancel_consumer("mail", timeout=LONG, reply=True) == {"w1@example": {"ok": "done"}}


async def test_a_worker_keeps_a_process(control: TaskControl, panel: Panel) -> None:
    with pytest.raises(InvalidMessage, match="would leave w1@example, whose pool is of 2") as refused:
        await control.pool_shrink(2, timeout=LONG)
    assert refused.value.pointer == "/n"
    assert await told(panel, control) == ["stats"]
    assert await control.pool_shrink(1, timeout=LONG, reply=True) == {"w1@example": {"ok": "done"}}


async def test_a_worker_that_does_not_reply_in_time_is_told_all_the_same(control: TaskControl, redis: Redis) -> None:
    silent = Panel(redis, "w1@example", answer=None)
    async with serving(silent):
        assert await control.pool_shrink(2, timeout=0.1, reply=True) == {}
        assert await told(silent, control) == ["stats", "pool_shrink"]
