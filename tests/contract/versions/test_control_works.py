"""A stock worker of each version does what we tell it to, and replies to us what it replies to Celery."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge import TaskClient
from bridge.errors import InvalidMessage, TaskFailed
from bridge.redis import Redis
from bridge.remote.control import Inquiry
from tests.contract.beside import Beside
from tests.contract.versions.installation import DEADLINE, W1, Installation, kinds, to_its_end, until
from tests.contract.workers_environment import all_there, worker
from tests.control_calls import ASKED, TOLD, replied

pytestmark = pytest.mark.timeout(600)
RESTARTING = "restarting@example"
TO_W1: Inquiry = {"timeout": DEADLINE, "destination": [W1]}
"""Workers of other pools may be there, too."""
STEADY = ("ping", "active", "reserved", "scheduled", "registered", "active_queues", "conf")
"""What a worker replies twice alike, when nothing runs."""


COMES_BACK: dict[str, Callable[[Any], object]] = {
    "ping": lambda reply: reply == {"ok": "pong"},
    "stats": lambda reply: {"total", "pool", "broker", "rusage", "uptime"} <= reply.keys(),
    "clock": lambda reply: reply["clock"] > 0,
    "report": lambda reply: "celery:" in reply["ok"],
    "conf": lambda reply: reply["task_track_started"] is True,
    "conf with defaults": lambda reply: reply["task_acks_late"] is False,
    "active": lambda reply: reply == [],
    "active safe": lambda reply: reply == [],
    "reserved": lambda reply: reply == [],
    "scheduled": lambda reply: reply == [],
    "revoked": lambda reply: isinstance(reply, list),
    "registered": lambda reply: "golden.echo" in reply,
    "registered with attributes": lambda reply: "golden.forgets [serializer=json ignore_result=True]" in reply,
    "active_queues": lambda reply: "celery" in _names(reply),
    "query_task": lambda reply: reply == {},
    "memsample": lambda reply: reply is None or reply.endswith("MB"),
}
"""Whether a worker that runs nothing has replied to what it was asked."""
NO_AUTOSCALE = {"error": "ValueError('Autoscale not enabled')"}
NO_RESTARTS = {"error": "ValueError('Pool restarts not enabled')"}
DONE: dict[str, object] = {
    "revoke": {"ok": "tasks {'a1'} flagged as revoked"},
    "revoke and terminate": {"ok": "terminate: tasks unknown"},
    "revoke_by_stamped_headers": {"ok": "headers {'tenant': 'acme'} flagged as revoked, but not terminated"},
    "revoke_by_stamped_headers, several": {"ok": "headers {'tenant': ['acme', 'é'], 'user': '42'} were not terminated"},
    "terminate": {"ok": "terminate: tasks unknown"},
    "rate_limit": {"ok": "new rate limit set successfully"},
    "rate_limit off": {"ok": "rate limit disabled successfully"},
    "time_limit": {"ok": "time limits set successfully"},
    "time_limit off": {"ok": "time limits set successfully"},
    "time_limit of no task": {"error": "unknown task"},
    "pool_grow": {"ok": "pool will grow"},
    "pool_shrink": {"ok": "pool will shrink"},
    "autoscale": NO_AUTOSCALE,
    "pool_restart": NO_RESTARTS,
    "pool_restart with modules": NO_RESTARTS,
    "add_consumer": {"ok": "add consumer mail"},
    "add_consumer of an exchange": {"ok": "add consumer logs"},
    "cancel_consumer": {"ok": "no longer consuming from mail"},
    "enable_events": {"ok": "task events already enabled"},
    "disable_events": {"ok": "task events already disabled"},  # it goes on: with -E it sends events of all groups
    "heartbeat": None,
}
"""What a worker that was started with ``-E`` replies to what it was told."""


@pytest.mark.parametrize("name", ASKED)
async def test_every_call_is_replied_to_with_what_was_asked(client: TaskClient, version: str, name: str) -> None:
    replies = await replied(client.control, name, TO_W1)
    assert replies.keys() == {W1}
    assert COMES_BACK[name](replies[W1]), replies


@pytest.mark.parametrize("name", TOLD)
async def test_every_order_is_replied_to_as_done_or_not(client: TaskClient, version: str, name: str) -> None:
    replies = await replied(client.control, name, TO_W1)
    await _undo(client, name)
    if name == "revoke many":
        assert replies in [{W1: {"ok": f"tasks {{{ids}}} flagged as revoked"}} for ids in ("'a1', 'a2'", "'a2', 'a1'")]
    else:
        assert replies == {W1: DONE[name]}


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


async def test_tasks_are_discarded_by_their_stamps(client: TaskClient) -> None:
    told = await client.control.revoke_by_stamped_headers({"shop": ["north", "south"]}, reply=True, **TO_W1)
    assert told == {W1: {"ok": "headers {'shop': ['north', 'south']} flagged as revoked, but not terminated"}}
    south, west = [await client.submit("golden.echo", stamps={"shop": shop}) for shop in ("south", "west")]
    assert kinds(await to_its_end(client, south.task_id)) == ["submitted", "cancelled"]
    assert await west.result(DEADLINE) == [[], {}]


async def test_a_worker_that_scales_itself_is_told_how_far(client: TaskClient, installation: Installation) -> None:
    control, scaling = client.control, "scaling@example"
    to_it: Inquiry = {"timeout": DEADLINE, "destination": [scaling]}
    async with worker(installation.python, installation.url, scaling, "--autoscale", "2,1", "-Q", "scaling"):
        await all_there(installation.url, {scaling})
        told = await control.autoscale(4, 3, reply=True, **to_it)
        assert told == {scaling: {"ok": "autoscale now max=4 min=3"}}
        await until(lambda: control.stats(**to_it), lambda replies: _processes(replies[scaling]) == 3)
        assert (await control.stats(**to_it))[scaling]["autoscaler"]["max"] == 4
        grown = await control.pool_grow(reply=True, **to_it)
        assert "not supported with autoscale" in grown[scaling]["error"]


@pytest.fixture
async def restarting(client: TaskClient, installation: Installation) -> AsyncIterator[Inquiry]:
    """A worker whose pool may be restarted, of one process, for the queue of its name; how to reach it."""
    options = ("-c", "1", "-Q", RESTARTING, "worker.pool_restarts=true")
    async with worker(installation.python, installation.url, RESTARTING, *options):
        await all_there(installation.url, {RESTARTING})
        yield {"timeout": DEADLINE, "destination": [RESTARTING]}


async def test_a_pool_is_started_anew(client: TaskClient, restarting: Inquiry) -> None:
    control = client.control
    before = _pids((await control.stats(**restarting))[RESTARTING])
    assert await control.pool_restart(reply=True, **restarting) == {RESTARTING: {"ok": "reload started"}}
    await until(lambda: control.stats(**restarting), lambda replies: before.isdisjoint(_pids(replies[RESTARTING])))
    assert await (await client.submit("golden.echo", queue=RESTARTING)).result(DEADLINE) == [[], {}]
    unknown = await control.pool_restart(["no_such_module"], reply=True, **restarting)
    assert "ModuleNotFoundError" in unknown[RESTARTING]["error"]


@pytest.mark.parametrize(
    ("soft", "hard", "error"), [(0.5, None, "SoftTimeLimitExceeded"), (None, 1, "TimeLimitExceeded")]
)
async def test_a_time_limit_ends_tasks_once_the_pool_is_started_anew(
    client: TaskClient, restarting: Inquiry, soft: float | None, hard: float | None, error: str
) -> None:
    """Celery says that it is set, and goes by the limits that it has read when it began: `create_request_cls`."""
    control = client.control
    limited = await control.time_limit("golden.naps", soft, hard, reply=True, **restarting)
    assert limited == {RESTARTING: {"ok": "time limits set successfully"}}
    assert await (await client.submit("golden.naps", [2], queue=RESTARTING)).result(DEADLINE) is None
    await control.pool_restart(reply=True, **restarting)
    with pytest.raises(TaskFailed) as failed:
        await (await client.submit("golden.naps", [DEADLINE], queue=RESTARTING)).result(DEADLINE)
    assert failed.value.type == error


def _pids(stats: dict[str, Any]) -> set[int]:
    return set(stats["pool"]["processes"])


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
