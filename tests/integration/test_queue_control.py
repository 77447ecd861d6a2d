"""Queues are paused, resumed and purged."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge import TaskClient, group, signature
from bridge.errors import InvalidMessage, QueueNotFound, QueuePaused, SomeRefused
from bridge.ids import Ids
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.remote.mailbox import Mailbox
from bridge.remote.queue_control import QueueControl
from bridge.results.backend import ResultBackend
from tests.celery_says import WORKER, envelope, heartbeat
from tests.integration.pidbox import Body, Panel, serving
from tests.integration.telling import news
from tests.integration.watching import Worker

MAIL = [{"name": "mail", "routing_key": "mail"}]


@pytest.fixture
async def panel(redis: Redis) -> AsyncIterator[Panel]:
    """A worker that takes tasks from ``mail``."""
    worker = Panel(redis, WORKER, answer=lambda _body: MAIL)
    async with serving(worker):
        yield worker


async def orders(panel: Panel, count: int) -> list[Body]:
    """What the worker is told beside what it is asked."""
    told: list[Body] = []
    while len(told) < count:
        if (body := await panel.hears())["method"] != "active_queues":
            told.append(body)
    return told


async def test_a_queue_by_which_workers_hear_a_fanout_exchange_is_not_paused(client: TaskClient, redis: Redis) -> None:
    heard = [{"name": "mail", "exchange": {"name": "everybody", "type": "fanout"}}]
    worker = Panel(redis, WORKER, answer=lambda _body: heard)
    await client.submit("a", queue="mail")
    async with serving(worker):
        with pytest.raises(InvalidMessage, match="hears the fanout exchange 'everybody' by 'mail'"):
            await client.queues.pause("mail")
    assert not (await state(client)).paused


async def state(client: TaskClient, name: str = "mail") -> Any:
    return next(queue for queue in (await client.backlog()).queues if queue.name == name)


async def test_a_paused_queue_takes_no_tasks_and_workers_take_none_from_it(client: TaskClient, panel: Panel) -> None:
    await client.submit("add", queue="mail")
    await client.queues.pause("mail")

    with pytest.raises(QueuePaused, match="'mail' is paused"):
        await client.submit("add", queue="mail")
    with pytest.raises(QueuePaused):
        await client.submit("add", queue="mail", countdown=86_400, task_id="held")
    with pytest.raises(QueuePaused):
        await client.start_batch(group(signature("a").set(queue="mail"), signature("b")), "w1")
    with pytest.raises(SomeRefused) as raised:
        await client.submit_many([("add", (), {}, {"queue": "mail"}), ("add", ())])
    assert list(raised.value.errors) == [0]
    assert ((await state(client)).ready, (await state(client)).paused) == (1, True)
    assert (await state(client, "celery")).ready == 1
    (told,) = await orders(panel, 1)
    assert (told["method"], told["arguments"]) == ("cancel_consumer", {"queue": "mail"})


async def test_a_resumed_queue_takes_tasks_and_those_workers_that_had_it_take_it_again(
    client: TaskClient, panel: Panel, redis: Redis
) -> None:
    await client.submit("add", queue="mail")
    await client.queues.pause("mail")
    await client.queues.resume("mail")
    await client.submit("add", queue="mail")
    assert not (await state(client)).paused
    _, told = await orders(panel, 2)
    assert (told["method"], told["destination"], told["arguments"]["queue"]) == ("add_consumer", [WORKER], "mail")
    assert not await redis.execute("KEYS", "petiole:paused*")


async def test_a_worker_that_does_not_take_tasks_from_a_queue_is_not_told_to_when_it_is_resumed(
    client: TaskClient, panel: Panel
) -> None:
    await client.submit("add", queue="other")
    await client.queues.pause("other")
    await client.queues.resume("other")
    await client.queues.pause("other")
    assert [told["method"] for told in await orders(panel, 2)] == ["cancel_consumer", "cancel_consumer"]


async def test_a_worker_that_is_too_busy_to_answer_is_known_by_what_it_told_before(
    client: TaskClient, redis: Redis, store: StatusStore
) -> None:
    backend, mailbox = ResultBackend(redis, redis.settings), Mailbox(redis, Ids().new)
    queues = QueueControl(redis, store, backend, mailbox, reply_seconds=0.1)
    await client.submit("add", queue="mail")
    sign = json.dumps({"at": 0, "heartbeat": heartbeat()})
    await redis.execute("HSET", "petiole:workers", WORKER, sign)
    await redis.execute("SET", "petiole:survey", json.dumps({WORKER: {"queues": ["mail"]}}))
    busy = Panel(redis, WORKER, answer=None)
    async with serving(busy):
        await queues.pause("mail")
        await queues.resume("mail")
        _, told = await orders(busy, 2)
    assert (told["method"], told["destination"]) == ("add_consumer", [WORKER])


async def test_a_worker_that_starts_while_a_queue_is_paused_is_told(
    client: TaskClient, redis: Redis, worker: Worker, panel: Panel
) -> None:
    await client.submit("add", queue="mail")
    await redis.execute("SADD", "petiole:paused", "mail")
    for event in (heartbeat(kind="worker-online"), heartbeat()):
        await redis.execute("PUBLISH", "/0.celeryev/worker.any", envelope(event))
    (told,) = await orders(panel, 1)
    assert (told["method"], told["arguments"]) == ("cancel_consumer", {"queue": "mail"})
    assert await redis.execute("SMEMBERS", "petiole:paused:mail") == {WORKER.encode()}


@pytest.mark.parametrize("order", ["pause", "resume", "purge"])
async def test_a_queue_that_nobody_knows_cannot_be_controlled(client: TaskClient, order: str) -> None:
    with pytest.raises(QueueNotFound, match="'nobodys'"):
        await getattr(client.queues, order)("nobodys")


async def test_a_purge_drops_what_waits_and_each_task_ends(client: TaskClient, redis: Redis) -> None:
    handles = [await client.submit("add", queue="mail", priority=priority) for priority in (0, 3, 9, 9)]
    held = await client.submit("add", queue="mail", countdown=86_400)
    await client.submit("add")

    done = await client.queues.purge("mail")

    assert (done.purged, done.ready) == (4, 0)
    for handle in handles:
        record = await client.record(handle.task_id)
        assert (record.status, record.cancel_reason) == (Status.CANCELLED, "purged")
        assert record.last is not None
        assert record.last.error == {"type": "TaskRevokedError", "message": "purged"}
        assert json.loads(await redis.execute("GET", f"celery-task-meta-{handle.task_id}"))["status"] == "REVOKED"
    assert await held.status() == Status.SCHEDULED
    assert (await state(client, "celery")).ready == 1


async def test_a_purge_drops_messages_of_others_and_of_retries_as_well(
    client: TaskClient, store: StatusStore, redis: Redis
) -> None:
    handle = await client.submit("add", queue="mail")
    first = json.loads(await redis.execute("RPOP", "mail"))
    await store.advance([news(Status.RETRYING, task_id=handle.task_id)])
    retry = {**first, "headers": {**first["headers"], "retries": 1}}
    foreign = {**first, "headers": {**first["headers"], "id": "foreign"}}
    await redis.execute("LPUSH", "mail", json.dumps(retry), json.dumps(foreign), "no message at all")

    assert (await client.queues.purge("mail")).purged == 3
    assert await redis.execute("LLEN", "mail") == 0
    assert await handle.status() == Status.CANCELLED
    assert await redis.execute("EXISTS", f"celery-task-meta-{handle.task_id}")
    assert not await redis.execute("EXISTS", "petiole:task:foreign")


async def test_a_purge_is_bounded_and_says_what_is_left(client: TaskClient) -> None:
    await client.submit_many(("add", (number,), {}, {"queue": "mail"}) for number in range(700))
    done = await client.queues.purge("mail", limit=600)
    assert (done.purged, done.ready) == (600, 100)
    assert (await client.queues.purge("mail")).purged == 100


async def test_what_a_worker_takes_meanwhile_is_not_purged(client: TaskClient, redis: Redis) -> None:
    handles = [await client.submit("add", queue="mail") for _ in range(300)]

    async def take() -> list[bytes]:
        return [one for one in [await redis.execute("RPOP", "mail") for _ in range(150)] if one]

    done, taken = await asyncio.gather(client.queues.purge("mail"), take())
    statuses = [await handle.status() for handle in handles]
    assert statuses.count(Status.CANCELLED) == done.purged == 300 - len(taken)
    assert statuses.count(Status.SUBMITTED) == len(taken)
