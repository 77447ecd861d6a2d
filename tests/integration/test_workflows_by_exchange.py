"""Parts of workflows and callbacks, sent to the queues that exchanges lead to."""

import pytest

from bridge import SubmitOptions, TaskClient, chain, group, signature
from bridge.errors import InvalidMessage
from bridge.handle import ChainHandle
from bridge.protocol.envelope import open_message
from bridge.redis import Redis
from tests.integration.exchanges import KEY, bound, listening

RED_PART = {"exchange": "x", "routing_key": "red"}


async def test_parts_of_a_workflow_go_to_the_queues_of_their_exchanges(client: TaskClient, redis: Redis) -> None:
    await redis.execute("SADD", KEY, bound("red", "paint"))
    a, b, c = (signature(name, options=RED_PART) for name in "abc")

    started = await client.start(chain(a, group(b, c), signature("d")))

    (message,) = await redis.execute("LRANGE", "paint", 0, -1)
    _, (_, _, embedded) = open_message(message)
    later = embedded["chain"][0]["kwargs"]
    assert [task["options"]["queue"] for task in later["header"]["kwargs"]["tasks"]] == ["paint", "paint"]
    assert "exchange" not in str(later)
    assert isinstance(started, ChainHandle)
    records = [await client.record(task_id) for task_id in await redis.execute("ZRANGE", "petiole:planned", 0, -1)]
    assert sorted((record.task, record.queue) for record in records) == [
        ("b", "paint"),
        ("c", "paint"),
        ("d", "celery"),
    ]


async def test_a_workflow_of_a_batch_is_the_same_one_when_its_exchange_leads_elsewhere(
    client: TaskClient, redis: Redis
) -> None:
    await redis.execute("SADD", KEY, bound("red", "paint"))
    canvas = group(signature("a", options=RED_PART), signature("b"))
    begun = await client.start_batch(canvas, "b1", key="k")
    await redis.execute("DEL", KEY)
    await redis.execute("SADD", KEY, bound("red", "other"))

    again = await client.start_batch(canvas, "b2", key="k")
    assert (again.replayed, again.batch, again.result.id) == (True, "b1", begun.result.id)
    assert await redis.execute("EXISTS", "other") == 0


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"link": signature("b", options=RED_PART)}, "/options/link"),
        ({"link_error": [signature("c"), signature("b", options=RED_PART)]}, "/options/link_error/1"),
        ({"chord": signature("b", options=RED_PART)}, "/options/chord"),
    ],
)
async def test_callbacks_of_a_task_go_to_the_queues_of_their_exchanges(
    client: TaskClient, redis: Redis, options: SubmitOptions, pointer: str
) -> None:
    with pytest.raises(InvalidMessage, match="has no queues") as refused:
        await client.submit("a", **options)
    assert refused.value.pointer == f"{pointer}/options/exchange"

    await redis.execute("SADD", KEY, bound("red", "paint"))
    packed: SubmitOptions = {**options, "compression": "gzip"}
    await client.submit("a", **packed)
    (message,) = await redis.execute("LRANGE", "celery", 0, -1)
    assert "'queue': 'paint'" in str(open_message(message)[1])
    assert "exchange" not in str(open_message(message)[1])


async def test_a_part_is_not_sent_to_a_fanout_exchange(client: TaskClient, redis: Redis) -> None:
    async with listening(redis):
        with pytest.raises(
            InvalidMessage, match="'x' is a fanout exchange: every worker that listens would"
        ) as refused:
            await client.start(chain(signature("a"), signature("b", options=RED_PART)))
    assert refused.value.pointer == "/tasks/1/options/exchange"
    assert await redis.execute("KEYS", "*") == []
