"""Installations that are not as Celery comes: a stock worker that is configured likewise runs what we send."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.cli.ports import free_ports
from app.cli.stack.embedded import server_url
from bridge import Cancelled, TaskClient, chord, open_client, signature
from bridge.errors import InvalidMessage
from bridge.protocol.state import Status
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.contract.installed_worker import WORKER, installed_worker
from tests.servers import redis_server

watcher_process = pytest.importorskip("bridge.watcher_process")
DEADLINE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One installation, as Celery is told of it and as we are."""

    celery: dict[str, Any]
    ours: BridgeSettings


def installation(broker: str, backend: str) -> Installation:
    return Installation(
        celery={
            "broker_url": broker,
            "result_backend": backend,
            "broker_transport_options": {"global_keyprefix": "team-a.", "priority_steps": [0, 5], "sep": "|"},
            "result_backend_transport_options": {"global_keyprefix": "rp"},
            "worker_send_task_events": True,
        },
        ours=BridgeSettings.load(
            redis_url=broker,
            result_backend_url=backend,
            broker_global_keyprefix="team-a.",
            broker_priority_steps="0,5",
            broker_sep="|",
            result_backend_global_keyprefix="rp",
        ),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Broker and result backend on a server each, and a worker."""
    files, ports = tmp_path_factory.mktemp("installation"), free_ports(2)
    made = installation(server_url(ports[0]).removesuffix("/0") + "/2", server_url(ports[1]).removesuffix("/0") + "/3")
    children = [redis_server(port, files / str(port)) for port in ports]
    children.append(installed_worker(made.celery, files / "log"))
    with asyncio.Runner() as runner:
        for child in children:
            runner.run(child.start())
            runner.run(child.ready())
        yield made
        for child in reversed(children):
            runner.run(child.stop())


@pytest.fixture
async def client(site: Installation) -> AsyncIterator[TaskClient]:
    """A client, a watcher that follows its tasks, and a worker that is up."""
    async with open_client(site.ours) as opened, watcher_process.running_watcher(site.ours), asyncio.timeout(DEADLINE):
        while not await opened.control.ping(timeout=1):
            pass
        yield opened


async def test_a_task_is_submitted_run_followed_and_its_result_awaited(client: TaskClient) -> None:
    handle = await client.submit("installation.add", (2, 3))

    assert await handle.result(DEADLINE) == 5
    statuses = [update.status async for update in handle.follow()]
    assert statuses == [Status.SUBMITTED, Status.RECEIVED, Status.RUNNING, Status.SUCCEEDED]


@pytest.mark.parametrize("priority", [0, 4, 5, 9])
async def test_a_worker_takes_tasks_of_every_priority(client: TaskClient, priority: int) -> None:
    handle = await client.submit("installation.add", (priority, 1), priority=priority)
    assert await handle.result(DEADLINE) == priority + 1


async def test_a_chord_counts_on_the_result_backend(client: TaskClient) -> None:
    parts = [signature("installation.add", (number, 1)) for number in range(3)]
    assert await client.run(chord(parts, signature("installation.count")), timeout=DEADLINE) == 6


async def test_workers_answer_remote_control(client: TaskClient) -> None:
    assert await client.control.ping(timeout=DEADLINE) == {WORKER: {"ok": "pong"}}


async def test_a_task_that_waits_is_taken_out_of_its_queue(client: TaskClient, site: Installation) -> None:
    handle = await client.submit("installation.add", (1, 1), queue="nobody", priority=7)
    async with Redis.open(site.ours.broker, site.ours) as redis:
        assert await redis.execute("LLEN", "team-a.nobody|5") == 1
        assert {depth.name: depth.ready for depth in (await client.backlog()).queues}["nobody"] == 1
        assert await handle.cancel() is Cancelled.NEVER_RAN
        assert await redis.execute("LLEN", "team-a.nobody|5") == 0


async def test_nothing_is_left_outside_the_prefixes(client: TaskClient, site: Installation) -> None:
    await (await client.submit("installation.add", (2, 3))).result(DEADLINE)
    for address, prefixes in ((site.ours.broker, (b"team-a.", b"arq:")), (site.ours.backend, (b"rp_celery-task",))):
        async with Redis.open(address, site.ours) as redis:
            keys = await redis.execute("KEYS", "*")
        assert keys
        assert [key for key in keys if not key.startswith(prefixes)] == []


@pytest.mark.parametrize(
    ("exchange", "routing_key", "queue"),
    [("colours", "red", "paint"), ("places", "europe.france", "all"), ("places", "asia.japan.capital", "capitals")],
)
async def test_an_exchange_leads_to_the_queue_that_the_worker_bound_to_it(
    client: TaskClient, exchange: str, routing_key: str, queue: str
) -> None:
    handle = await client.submit("installation.where", exchange=exchange, routing_key=routing_key)

    where = await handle.result(DEADLINE)

    assert (where["exchange"], where["routing_key"]) == ("", queue)
    assert (await client.record(handle.task_id)).queue == queue


async def test_every_worker_that_listens_to_a_fanout_exchange_runs_the_task(client: TaskClient) -> None:
    handle = await client.submit("installation.where", exchange="everybody", routing_key="celery", record=False)

    where = await handle.result(DEADLINE)

    assert (where["exchange"], where["routing_key"]) == ("everybody", "celery")


@pytest.mark.parametrize(
    ("exchange", "routing_key", "reason"),
    [
        ("colours", "green", "has no queue for the routing key 'green', only for 'red'"),
        ("places", "europe.france.capital", "to the queues all, capitals"),
        ("nowhere", "red", "has no queues"),
        ("colours", None, "has no queue for the routing key ''"),
        ("everybody", "celery", "is a fanout exchange: every worker that listens now has the task"),
        ("everybody", "others", "is a fanout exchange whose worker has gone"),
    ],
)
async def test_what_no_single_queue_would_get_is_refused(
    client: TaskClient, exchange: str, routing_key: str | None, reason: str
) -> None:
    with pytest.raises(InvalidMessage, match=reason) as refused:
        await client.submit("installation.where", exchange=exchange, routing_key=routing_key)
    assert refused.value.pointer == "/options/exchange"
    assert await client.control.ping(timeout=DEADLINE)  # and the worker has not minded
