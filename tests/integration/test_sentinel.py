"""Sentinels: the master is where they say it is, also after another one has taken over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli.ports import LOOPBACK, free_port, free_ports
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from bridge import TaskClient, open_client
from bridge.errors import BrokerUnavailable
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.celery_says import meta
from tests.integration.submissions import until
from tests.sentinels import MASTER, PASSWORD, sentinel, server
from tests.tls import OPENSSL, Authority, tls_in_front

HOUR_MS = 3_600_000
PATIENCE = 60
"""Seconds for a failover on a busy machine; it takes two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A master and its replica, and settings that name the sentinel that watches them, behind one that is dead."""

    master: Child
    master_url: str
    replica_url: str
    settings: BridgeSettings


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    master_port, replica_port, sentinel_port, dead_port = free_ports(4)
    settings = BridgeSettings.load(
        redis_url=f"sentinel://{LOOPBACK}:{dead_port};sentinel://{LOOPBACK}:{sentinel_port}/0",
        broker_master_name=MASTER,
        sentinel_password=PASSWORD,
    )
    async with AsyncExitStack() as stack:
        master = server(master_port, tmp_path / "master", "--repl-diskless-sync-delay", "0")
        await stack.enter_async_context(master)
        replica = server(replica_port, tmp_path / "replica", "--replicaof", LOOPBACK, str(master_port))
        await stack.enter_async_context(replica)
        redis = await stack.enter_async_context(Redis.open(server_url(master_port), settings))
        await until(lambda: has_replica(redis))  # a sentinel looks for them at its start, and again only after 10 s
        await stack.enter_async_context(sentinel(sentinel_port, master_port, tmp_path / "sentinel"))
        yield Group(
            master=master,
            master_url=server_url(master_port),
            replica_url=server_url(replica_port),
            settings=settings,
        )


async def has_replica(master: Redis) -> bool:
    info = await master.execute("INFO", "replication")
    return bool(info.get("slave0", {}).get("state") == "online")


async def accepted(client: TaskClient) -> int:
    """Submit until a task is accepted; how often Redis was away."""
    refused = 0
    while True:
        try:
            await client.submit("proj.add", (2, 3))
            return refused
        except BrokerUnavailable:
            refused += 1


async def test_submits_and_results_go_on_when_a_master_dies(group: Group) -> None:
    async with asyncio.timeout(PATIENCE), open_client(group.settings) as client:
        handle = await client.submit("proj.add", (2, 3))
        awaiting = asyncio.create_task(handle.result())
        async with Redis.open(group.master_url, group.settings) as master:
            await until(lambda: is_awaited(master, handle.task_id))
        async with Redis.open(group.replica_url, group.settings) as replica:
            await until(lambda: has(replica, "celery"))

        await group.master.kill()

        assert await accepted(client) > 0
        async with Redis.open(group.replica_url, group.settings) as new_master:
            assert await new_master.execute("LLEN", "celery") == 2
            value = meta(handle.task_id, "SUCCESS", 5)
            key = f"celery-task-meta-{handle.task_id}"
            await new_master.transaction(("SET", key, value), ("PUBLISH", key, value))
        assert await awaiting == 5


async def has(redis: Redis, key: str) -> bool:
    return bool(await redis.execute("EXISTS", key))


async def is_awaited(redis: Redis, task_id: str) -> bool:
    _, listeners = await redis.execute("PUBSUB", "NUMSUB", f"celery-task-meta-{task_id}")
    return bool(listeners)


async def test_arq_waits_for_the_new_master(group: Group) -> None:
    watcher_process = pytest.importorskip("bridge.watcher_process")
    redis = watcher_process.watcher_settings(group.settings).redis_pool
    async with asyncio.timeout(PATIENCE):
        await redis.set("before", 1)
        async with Redis.open(group.replica_url, group.settings) as replica:
            await until(lambda: has(replica, "before"))
        await group.master.kill()

        assert await redis.incr("before") == 2
        await redis.aclose(close_connection_pool=True)


@pytest.mark.skipif(not OPENSSL, reason="certificates are made by the openssl program")
async def test_sentinels_behind_tls_are_reached_where_that_is_said(
    own_server: Child, own_port: int, tmp_path: Path
) -> None:
    authority, port = Authority(tmp_path / "authority"), free_port()
    certificate = authority.issue("server", f"IP:{LOOPBACK}")
    async with (
        tls_in_front(own_port, certificate) as master_port,
        sentinel(port, master_port, tmp_path / "sentinel", dead_after_ms=HOUR_MS),  # it speaks no TLS itself
        tls_in_front(port, certificate) as outside,
    ):
        settings = BridgeSettings.load(
            redis_url=f"sentinel://{LOOPBACK}:{outside}/0?ssl_ca_certs={authority.file}",
            broker_master_name=MASTER,
            sentinel_password=PASSWORD,
            sentinel_tls=True,
        )
        async with open_client(settings) as client:
            await client.submit("proj.add", task_id="a1")
            assert await client.handle("a1").status() == "submitted"
        await plainly_refused(settings)


async def plainly_refused(settings: BridgeSettings) -> None:
    async with open_client(settings.model_copy(update={"sentinel_tls": False})) as client:
        with pytest.raises(BrokerUnavailable):
            await client.submit("proj.add")


async def test_a_master_that_no_sentinel_knows_is_said_to_be_unavailable(group: Group) -> None:
    settings = group.settings.model_copy(update={"broker_master_name": "other"})
    async with asyncio.timeout(10), open_client(settings) as client:
        with pytest.raises(BrokerUnavailable, match="No master found for 'other'"):
            await client.submit("proj.add")


async def test_a_sentinel_that_is_not_told_the_password_is_said_to_refuse(group: Group) -> None:
    settings = group.settings.model_copy(update={"sentinel_password": ""})
    async with asyncio.timeout(10), open_client(settings) as client:
        with pytest.raises(BrokerUnavailable, match="Authentication"):
            await client.submit("proj.add")
