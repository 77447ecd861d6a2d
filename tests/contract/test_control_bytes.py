"""The commands of remote control are, to the letter, those that the installed Celery sends for the same calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from celery import Celery

from bridge.ids import Ids
from bridge.redis import Redis
from bridge.remote.control import TaskControl
from bridge.remote.mailbox import Mailbox
from bridge.settings import BridgeSettings
from tests.contract import celery_control
from tests.control_calls import ASKED_BEFORE, CALLS, TOLD, comparable, replied

DEADLINE = 60
W1, W2 = "w1@example", "w2@example"


@pytest.fixture
async def redis(shared_url: str) -> AsyncIterator[Redis]:
    async with Redis.open(shared_url, BridgeSettings.load(redis_url=shared_url)) as gateway:
        await gateway.execute("FLUSHALL")
        yield gateway


@pytest.fixture
def app(shared_url: str) -> Iterator[Celery]:
    with Celery("control", broker=shared_url, backend=shared_url, set_as_current=False) as made:
        yield made


def test_the_tables_name_the_same_calls() -> None:
    assert [*celery_control.ASKED, *celery_control.TOLD] == CALLS


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_to_the_letter_what_celery_sends_but_does_not_expire(
    app: Celery, redis: Redis, name: str
) -> None:
    control = TaskControl(Mailbox(redis, Ids().new))
    async with aclosing(redis.listen("/0.celery.pidbox")) as messages, asyncio.timeout(DEADLINE):
        assert (await anext(messages)).begins
        celery_control.replied(app, name, timeout=0.05)
        await replied(control, name, {"timeout": 0.05})
        celerys, *_, ours = [await anext(messages) for _ in range(2 + (name in ASKED_BEFORE))]
    assert comparable(ours.data) == comparable(celerys.data)


@pytest.mark.parametrize("name", TOLD)
async def test_an_order_without_replies_is_what_celery_sends(app: Celery, redis: Redis, name: str) -> None:
    control = TaskControl(Mailbox(redis, Ids().new))
    async with aclosing(redis.listen("/0.celery.pidbox")) as messages, asyncio.timeout(DEADLINE):
        assert (await anext(messages)).begins
        celery_control.TOLD[name](app.control)
        await TOLD[name](control, {"timeout": 0.05})
        celerys, *_, ours = [await anext(messages) for _ in range(2 + (name in ASKED_BEFORE))]
    assert comparable(ours.data) == comparable(celerys.data)


async def test_those_who_are_meant_are_named_as_celery_names_them(app: Celery, redis: Redis) -> None:
    control = TaskControl(Mailbox(redis, Ids().new))
    async with aclosing(redis.listen("/0.celery.pidbox")) as messages, asyncio.timeout(DEADLINE):
        assert (await anext(messages)).begins
        app.control.heartbeat(destination=[W1, W2])
        app.control.heartbeat(pattern="w*", matcher="glob")
        app.control.shutdown(destination=[W1])
        await control.heartbeat(destination=[W1, W2])
        await control.heartbeat(pattern="w*")
        await control.shutdown(destination=[W1])
        sent = [comparable((await anext(messages)).data) for _ in range(6)]
    assert sent[:3] == sent[3:]
