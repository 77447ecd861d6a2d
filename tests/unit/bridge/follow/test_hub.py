import asyncio
from collections.abc import Callable

import pytest

from bridge.errors import BrokerUnavailable, ClientClosed, SubscriberTooSlow
from bridge.follow.subscriber import Subscriber
from tests.unit.bridge.updates import update


def soon(step: Callable[..., object], *args: object) -> None:
    """Take a step as soon as the test waits."""
    asyncio.get_running_loop().call_soon(step, *args)


async def test_a_subscriber_takes_its_updates_in_order_and_once() -> None:
    subscriber = Subscriber("a1", limit=3)
    subscriber.put(update(1))
    subscriber.put(update(2))

    assert await subscriber.wait(timeout=60)
    assert [one.seq for one in subscriber.take()] == [1, 2]
    assert subscriber.take() == []


async def test_a_subscriber_that_hears_nothing_waits_no_longer_than_it_said() -> None:
    assert not await Subscriber("a1", limit=3).wait(timeout=0)


async def test_a_subscriber_that_waits_is_woken_by_an_update() -> None:
    subscriber = Subscriber("a1", limit=3)
    soon(subscriber.put, update(1))
    soon(subscriber.put, update(2))
    assert await subscriber.wait(timeout=60)
    assert len(subscriber.take()) == 2


async def test_a_subscriber_that_waits_is_woken_when_it_may_have_missed_something() -> None:
    subscriber = Subscriber("a1", limit=3)
    soon(subscriber.mark_stale)

    assert await subscriber.wait(timeout=60)
    assert subscriber.was_stale()
    assert not subscriber.was_stale()


async def test_a_subscriber_that_lets_more_than_its_limit_gather_is_dropped() -> None:
    subscriber = Subscriber("a1", limit=2)
    for seq in (1, 2, 3):
        subscriber.put(update(seq))

    assert repr(subscriber) == "<Subscriber a1 waiting=2 stale=False dropped=True>"
    assert await subscriber.wait(timeout=60)
    with pytest.raises(SubscriberTooSlow, match="more than 2 updates behind"):
        subscriber.take()


async def test_a_subscriber_at_its_limit_is_not_dropped() -> None:
    subscriber = Subscriber("a1", limit=2)
    subscriber.put(update(1))
    subscriber.put(update(2))
    assert len(subscriber.take()) == 2


async def test_a_subscriber_takes_what_waits_when_its_hub_ends_and_is_told_then() -> None:
    subscriber = Subscriber("a1", limit=3)
    soon(subscriber.put, update(1))
    soon(subscriber.end)

    assert await subscriber.wait(timeout=60)
    assert [one.seq for one in subscriber.take()] == [1]
    assert await subscriber.wait(timeout=60)
    with pytest.raises(ClientClosed):
        subscriber.take()


async def test_a_wait_that_was_cancelled_leaves_the_subscriber_usable() -> None:
    subscriber = Subscriber("a1", limit=3)
    waiting = asyncio.create_task(subscriber.wait(timeout=60))
    soon(waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    subscriber.put(update(1))
    assert await subscriber.wait(timeout=60)


async def test_an_outage_delays_a_subscriber_that_catches_up_and_does_not_end_it() -> None:
    subscriber = Subscriber("a1", limit=3)

    async def catch_up_in_vain() -> list[int]:
        raise BrokerUnavailable("Redis is away.")

    assert await subscriber.caught_up(catch_up_in_vain, retry_seconds=0) == []
    assert subscriber.was_stale()


async def test_a_subscriber_that_has_caught_up_is_not_stale() -> None:
    subscriber = Subscriber("a1", limit=3)

    async def catch_up() -> list[int]:
        return [1, 2]

    assert await subscriber.caught_up(catch_up) == [1, 2]
    assert not subscriber.was_stale()
