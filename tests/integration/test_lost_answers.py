"""A submit whose answer was lost: accepted once, and told how to have it so."""

import asyncio

import pytest

from bridge import connect
from bridge.errors import (
    BrokerUnavailable,
    SomeRefused,
)
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff, GoesAfterAll
from tests.integration.submissions import identity, submission


async def test_a_submit_whose_answer_was_lost_is_accepted_once(
    redis: Redis, settings: BridgeSettings, clock: Clock
) -> None:
    async with (
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(clock)) as publisher,
    ):
        await publisher.publish(submission("a1"))
        assert breaking.broken

    assert await redis.execute("LLEN", "celery") == 1
    assert await redis.execute("XLEN", "petiole:live") == 1


async def test_a_submit_whose_answer_and_server_were_lost_says_by_which_id_it_is_accepted_once(
    redis: Redis, settings: BridgeSettings
) -> None:
    async with GoesAfterAll.open(settings.redis_url, settings) as away:
        parts = away, settings, identity(Clock())
        async with Publisher.open(*parts) as publisher:
            submits = [submission("a1"), submission("a2"), submission("a3")._replace(record=False)]
            first, second, unrecorded = await asyncio.gather(*map(publisher.publish, submits), return_exceptions=True)

    for lost, task_id in ((first, "a1"), (second, "a2")):
        assert isinstance(lost, BrokerUnavailable)
        assert (lost.task_id, lost.undone) == (task_id, False)
        assert f"may have been queued; submit it again with task_id='{task_id}': it is accepted once" in str(lost)
        assert lost.__cause__
    assert isinstance(unrecorded, BrokerUnavailable)
    assert unrecorded.task_id is None
    assert "whether it was cannot be told" in str(unrecorded)
    assert await redis.execute("LLEN", "celery") == 3


async def test_a_submit_that_never_reached_a_server_was_not_queued(own_url: str) -> None:
    async with connect(own_url) as nowhere:
        with pytest.raises(BrokerUnavailable) as refused:
            await nowhere.submit("tasks.add")
        assert refused.value.undone
        assert "queued" not in str(refused.value)
        with pytest.raises(SomeRefused) as some:
            await nowhere.submit_many([("tasks.add",)] * 2)
        assert str(some.value).startswith("2 of 2 tasks were not accepted. ")
