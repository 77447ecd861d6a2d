"""A stock worker of each version does what we tell it to, and replies to us what it replies to Celery."""

import time
from typing import Any

import pytest

from bridge import TaskClient
from bridge.errors import InvalidMessage
from bridge.redis import Redis
from bridge.remote.control import Inquiry
from tests.contract.beside import Beside
from tests.contract.versions.installation import DEADLINE, W1, Installation, kinds, to_its_end, until
from tests.control_calls import ASKED, TOLD, replied

pytestmark = pytest.mark.timeout(600)
TO_W1: Inquiry = {"timeout": DEADLINE, "destination": [W1]}
"""Workers of other pools may be there, too."""
STEADY = ("ping", "active", "reserved", "scheduled", "registered", "active_queues", "conf")
"""What a worker replies twice alike, when nothing runs."""


@pytest.mark.parametrize("name", [*ASKED, *TOLD])
async def test_every_call_is_replied_to(client: TaskClient, version: str, name: str) -> None:
    replies = await replied(client.control, name, TO_W1)
    assert replies.keys() == {W1}
    await _undo(client, name)


async def _undo(client: TaskClient, name: str) -> None:
    """So that the worker is for the next test as it was for this."""
    undo: dict[str, Any] = {
        "rate_limit": lambda: client.control.rate_limit("golden.echo", None),
        "time_limit": lambda: client.control.time_limit("golden.echo"),
        "pool_grow": client.control.pool_shrink,
        "pool_shrink": client.control.pool_grow,
        "add_consumer": lambda: client.control.cancel_consumer("mail"),
        "add_consumer of an exchange": lambda: client.control.cancel_consumer("logs"),
        "disable_events": client.control.enable_events,
    }
    if name in undo:
        await undo[name]()


@pytest.mark.parametrize("name", STEADY)
async def test_the_reply_is_the_one_that_celery_gets(client: TaskClient, celery: Beside, name: str) -> None:
    assert await replied(client.control, name, TO_W1) == await celery.call(
        "inspect", method=name, arguments=[], **TO_W1
    )


async def test_a_task_is_revoked_by_its_id_before_it_is_sent(client: TaskClient) -> None:
    task_id = "revoked-beforehand"
    await client.control.revoke(task_id, reply=True, **TO_W1)
    await client.submit("golden.echo", task_id=task_id)
    assert kinds(await to_its_end(client, task_id)) == ["submitted", "cancelled"]


async def test_a_rate_limit_slows_a_task_type_down(client: TaskClient) -> None:
    control = client.control
    limited = await control.rate_limit("golden.reports", "2/s", reply=True, **TO_W1)
    assert limited == {W1: {"ok": "new rate limit set successfully"}}
    begun = time.monotonic()
    handles = [await client.submit("golden.reports") for _ in range(4)]
    assert [await handle.result(DEADLINE) for handle in handles] == ["done"] * 4
    assert time.monotonic() - begun > 1  # the first is free
    await control.rate_limit("golden.reports", None, reply=True, **TO_W1)


async def test_the_pool_grows_and_shrinks(client: TaskClient) -> None:
    control = client.control
    assert await control.pool_grow(reply=True, **TO_W1) == {W1: {"ok": "pool will grow"}}
    await until(lambda: control.stats(**TO_W1), lambda replies: _processes(replies[W1]) == 3)
    await control.pool_shrink(reply=True, **TO_W1)
    await until(lambda: control.stats(**TO_W1), lambda replies: _processes(replies[W1]) == 2)


def _processes(stats: dict[str, Any]) -> int:
    return len(stats["pool"]["processes"])


async def test_the_worker_takes_tasks_of_one_more_queue(client: TaskClient) -> None:
    control = client.control
    await control.add_consumer("mail", reply=True, **TO_W1)
    assert await (await client.submit("golden.echo", queue="mail")).result(DEADLINE) == [[], {}]
    await control.cancel_consumer("mail", reply=True, **TO_W1)
    await until(
        lambda: control.active_queues(**TO_W1),
        lambda replies: "mail" not in _names(replies[W1]),
    )


FATAL: tuple[tuple[str, ...], ...] = (
    ("q", "celery", "fanout"),
    ("q", "celeryev", "topic", "worker.#"),
    ("q", "celery.pidbox", "fanout"),
    ("celery.pidbox",),
    ("w1@example.celery.pidbox", "x"),
    ("q", "*", "fanout", "worker.heartbeat"),
    ("q", "a/b", "fanout"),
    ("q", "orders", "direct"),
    ("a-hash",),
)
"""Each of these consumers ends the worker, or makes it deaf."""


async def test_orders_that_would_end_or_paralyse_the_worker_are_refused(
    client: TaskClient, installation: Installation
) -> None:
    control = client.control
    await control.add_consumer("heard", "orders", "fanout", reply=True, **TO_W1)
    await until(lambda: control.active_queues(**TO_W1), lambda replies: "heard" in _names(replies[W1]))
    async with Redis.open(installation.url, client.settings) as redis:
        await redis.execute("HSET", "a-hash", "a", "b")
    orders = [control.add_consumer(*consumer, reply=True, **TO_W1) for consumer in FATAL]
    for order in (*orders, control.cancel_consumer("heard", **TO_W1), control.pool_shrink(2, **TO_W1)):
        with pytest.raises(InvalidMessage):
            await order
    handle = await client.submit("golden.echo", exchange="orders", routing_key="heard", record=False)
    assert await handle.result(DEADLINE) == [[], {}]
    assert await control.ping(**TO_W1) == {W1: {"ok": "pong"}}


def _names(queues: list[dict[str, Any]]) -> list[str]:
    return [queue["name"] for queue in queues]


async def test_celery_revokes_a_task_of_ours(client: TaskClient, celery: Beside) -> None:
    await celery.call("control", method="revoke", arguments=["by-celery"], reply=True, limit=1, **TO_W1)
    await client.submit("golden.echo", task_id="by-celery")
    assert kinds(await to_its_end(client, "by-celery")) == ["submitted", "cancelled"]
