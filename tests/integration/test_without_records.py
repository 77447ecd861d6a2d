"""`record=False`: the client alone, with Celery's keys and none of Petiole's."""

import asyncio
from datetime import timedelta

import pytest

from bridge import Call, Cancelled, TaskClient, TaskHandle, chain, group, signature
from bridge.errors import BrokerUnavailable, DuplicateTask, QueueSaturated, TaskNotFound
from bridge.protocol.envelope import open_json
from bridge.protocol.events import read_events
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.celery_says import meta
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff
from tests.integration.pidbox import CHANNEL
from tests.integration.submissions import TOMORROW, identity, submission


async def keys(redis: Redis) -> set[str]:
    return {key.decode() for key in await redis.execute("KEYS", "*")}


async def test_a_task_leaves_its_message_and_nothing_else(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", record=False)
    await client.submit("tasks.add", record=False, eta=TOMORROW + timedelta(days=365), queue="mail", priority=9)
    await client.submit_many([Call("tasks.add", options={"record": False, "queue": "many"})] * 3)
    await client.start(group(signature("tasks.add", queue="canvas") for _ in range(2)), record=False)

    assert await keys(redis) == {"celery", "mail\x06\x169", "many", "canvas"}
    assert await redis.execute("LLEN", "many") == 3


async def test_its_result_is_awaited_as_any_other(client: TaskClient, redis: Redis) -> None:
    task = await client.submit("tasks.add", (2, 3), record=False)
    awaiting = asyncio.create_task(task.result(timeout=10))
    key = f"celery-task-meta-{task.task_id}"
    await redis.transaction(
        ("SET", key, meta(task.task_id, "SUCCESS", 5)), ("PUBLISH", key, meta(task.task_id, "SUCCESS", 5))
    )

    assert await awaiting == 5
    await task.forget()
    assert await keys(redis) == {"celery"}


async def test_nothing_is_known_of_it_but_its_result(client: TaskClient) -> None:
    task = await client.submit("tasks.add", record=False)
    with pytest.raises(TaskNotFound, match="never submitted, or without a record, or its record has expired"):
        await task.status()


async def test_flower_hears_of_it(client: TaskClient, redis: Redis) -> None:
    messages = redis.listen("/0.celeryev/*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        task = await client.submit("tasks.add", record=False)
        message = await anext(messages)
    await messages.aclose()
    (event,) = read_events(message.data)
    assert (event["type"], event["uuid"]) == ("task-sent", task.task_id)


async def test_an_id_that_is_recorded_is_not_used_again(client: TaskClient, redis: Redis) -> None:
    await client.submit("tasks.add", task_id="a1")
    with pytest.raises(DuplicateTask):
        await client.submit("tasks.add", task_id="a1", record=False)
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_queue_that_is_full_takes_no_more(redis: Redis, settings: BridgeSettings) -> None:
    shallow = settings.model_copy(update={"max_queue_depth": 1})
    async with Publisher.open(redis, shallow, identity(Clock())) as publisher:
        await publisher.publish(submission("a1")._replace(record=False))
        with pytest.raises(QueueSaturated):
            await publisher.publish(submission("a2")._replace(record=False))
    assert await keys(redis) == {"celery"}


async def test_a_task_whose_answer_was_lost_is_not_sent_again(
    redis: Redis, settings: BridgeSettings, clock: Clock
) -> None:
    async with (
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(clock)) as publisher,
    ):
        outcomes = await asyncio.gather(
            publisher.publish(submission("a1")._replace(record=False)),
            publisher.publish(submission("a2")),
            return_exceptions=True,
        )

    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable, str]
    assert await redis.execute("LLEN", "celery") == 2


async def test_an_idempotency_key_is_kept_all_the_same(client: TaskClient, redis: Redis) -> None:
    first, again = [await client.submit("tasks.add", record=False, idempotency_key="k1") for _ in range(2)]
    assert (again.task_id, again.replayed) == (first.task_id, True)
    assert await redis.execute("LLEN", "celery") == 1
    assert {key for key in await keys(redis) if not key.startswith("celery")} == {"petiole:idempotency::k1"}


async def test_a_workflow_is_run_without_a_record(client: TaskClient, redis: Redis) -> None:
    with pytest.raises(TimeoutError):
        await client.run(chain(signature("tasks.add"), signature("tasks.add")), timeout=0, record=False)
    assert await keys(redis) == {"celery"}


async def test_a_chain_without_a_record_is_cancelled_by_telling_the_workers(client: TaskClient, redis: Redis) -> None:
    handle = await client.start(chain(signature("tasks.add"), signature("tasks.add")), record=False)
    assert isinstance(handle, TaskHandle)
    messages = redis.listen(CHANNEL)
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        assert await handle.cancel() is Cancelled.REQUESTED
        told = open_json((await anext(messages)).data)
    await messages.aclose()
    assert told["method"] == "revoke"
    assert handle.task_id in told["arguments"]["task_id"]
    assert len(told["arguments"]["task_id"]) == 2


async def test_later_steps_of_a_workflow_need_no_record_either(client: TaskClient, redis: Redis) -> None:
    await client.start(chain(signature("tasks.add"), signature("tasks.add")), record=False)
    assert await keys(redis) == {"celery"}
