"""Every way to a server that Celery knows: TLS, users, sockets, databases. Asked of the whole client, and of arq."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.ports import LOOPBACK, free_port
from app.cli.processes.child import Child
from app.cli.stack.embedded import embedded_server, find_binary, server_url
from bridge import open_client
from bridge.errors import BrokerUnavailable, InvalidSettings
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.celery_says import meta
from tests.integration.submissions import until
from tests.servers import ROOT, redis_server
from tests.tls import OPENSSL, Authority, Certificate, tls_in_front

with_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl program makes the certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("server", f"IP:{LOOPBACK}")


async def works(settings: BridgeSettings) -> None:
    """Submit a task, and await a result that a worker would store."""
    async with (
        asyncio.timeout(10),
        open_client(settings) as client,
        Redis.open(settings.broker, settings) as broker,
        Redis.open(settings.backend, settings) as backend,
    ):
        handle = await client.submit("proj.add", (2, 3))
        assert await broker.execute("LLEN", f"{settings.broker_global_keyprefix}celery") == 1
        awaiting = asyncio.create_task(handle.result())
        value = meta(handle.task_id, "SUCCESS", 5)
        key = f"{settings.result_backend_global_keyprefix}celery-task-meta-{handle.task_id}"
        await backend.transaction(("SET", key, value), ("PUBLISH", key, value))
        assert await awaiting == 5
        assert (await client.backlog()).open == 1


async def works_for_arq(settings: BridgeSettings) -> None:
    """Connect as arq does for the watcher."""
    watcher_process = pytest.importorskip("bridge.watcher_process")
    connections = pytest.importorskip("arq.connections")
    arq = watcher_process.watcher_settings(settings)
    pool = await connections.create_pool(arq.redis_settings, default_queue_name=arq.queue_name)
    assert await pool.enqueue_job("sweep", _queue_name=arq.queue_name)
    await pool.aclose()


@asynccontextmanager
async def behind_tls(port: int, certificate: Certificate, clients_of: Path | None = None) -> AsyncIterator[str]:
    async with tls_in_front(port, certificate, clients_of) as outside:
        yield f"rediss://{LOOPBACK}:{outside}/0"


@with_openssl
async def test_a_server_behind_tls_is_trusted_by_its_own_authority(
    own_server: Child, own_port: int, authority: Authority, certificate: Certificate
) -> None:
    async with behind_tls(own_port, certificate) as url:
        url += f"?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={authority.file}"
        settings = BridgeSettings.load(redis_url=url)
        await works(settings)
        await works_for_arq(settings)


@with_openssl
@pytest.mark.parametrize("option", ["ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=none"])
async def test_a_certificate_is_not_checked_when_the_address_says_so(
    own_server: Child, own_port: int, certificate: Certificate, option: str
) -> None:
    async with behind_tls(own_port, certificate) as url:
        await works(BridgeSettings.load(redis_url=f"{url}?{option}"))


@with_openssl
async def test_a_certificate_of_an_unknown_authority_is_refused(
    own_server: Child, own_port: int, certificate: Certificate
) -> None:
    async with behind_tls(own_port, certificate) as url:
        await is_refused(BridgeSettings.load(redis_url=url), "certificate verify failed")


@with_openssl
async def test_a_certificate_for_another_host_is_refused_unless_the_address_says_not_to_look(
    own_server: Child, own_port: int, authority: Authority
) -> None:
    elsewhere = authority.issue("elsewhere", "DNS:redis.example")
    async with behind_tls(own_port, elsewhere) as url:
        url += f"?ssl_ca_certs={authority.file}"
        await is_refused(BridgeSettings.load(redis_url=url), "certificate is not valid for")
        await works(BridgeSettings.load(redis_url=url + "&ssl_check_hostname=false"))


@with_openssl
async def test_a_server_that_asks_for_a_clients_certificate_gets_it(
    own_server: Child, own_port: int, authority: Authority, certificate: Certificate
) -> None:
    client = authority.issue("client", "DNS:client")
    async with behind_tls(own_port, certificate, clients_of=authority.file) as url:
        url += f"?ssl_ca_certs={authority.file}"
        settings = BridgeSettings.load(redis_url=f"{url}&ssl_certfile={client.cert}&ssl_keyfile={client.key}")
        await works(settings)
        await works_for_arq(settings)
        await is_refused(BridgeSettings.load(redis_url=url), "Redis is not available")


async def test_a_file_that_is_not_there_is_named_at_once() -> None:
    settings = BridgeSettings.load(redis_url="rediss://localhost?ssl_ca_certs=/nowhere/ca.pem")
    with pytest.raises(InvalidSettings, match=r"no file /nowhere/ca\.pem"):
        async with open_client(settings):
            pass


async def is_refused(settings: BridgeSettings, reason: str) -> None:
    async with asyncio.timeout(10), open_client(settings) as client:
        with pytest.raises(BrokerUnavailable, match=reason):
            await client.submit("proj.add")


def documented_rights() -> list[str]:
    """The words of the command in docs/deployment.md that makes a user."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    return page.partition("ACL SETUSER ")[2].partition("```")[0].split()


async def test_a_user_with_the_documented_rights_can_do_everything_within_its_prefixes_and_nothing_beside_them(
    own_server: Child, own_port: int, own_url: str
) -> None:
    plain = BridgeSettings.load(redis_url=own_url)
    settings = BridgeSettings.load(
        redis_url=f"redis://petiole:password@{LOOPBACK}:{own_port}/0",
        broker_global_keyprefix="team-a.",
        result_backend_global_keyprefix="rp_",
    )
    async with Redis.open(own_url, plain) as admin:
        await admin.execute("ACL", "SETUSER", *documented_rights())

        await works(settings)
        await works_for_arq(settings)
        async with open_client(settings) as client:
            assert await client.control.ping(timeout=0.1) == {}
        await watches(settings, admin)
        fenced = settings.model_copy(update={"broker_global_keyprefix": "team-b."})
        async with asyncio.timeout(10), open_client(fenced) as client:
            with pytest.raises(BrokerUnavailable, match="No permissions"):
                await client.submit("proj.add")


async def watches(settings: BridgeSettings, admin: Redis) -> None:
    """A watcher hears both events and results."""
    watcher_process = pytest.importorskip("bridge.watcher_process")

    async def listens() -> bool:
        return int(await admin.execute("PUBSUB", "NUMPAT")) == 2

    async with watcher_process.running_watcher(settings):
        await until(listens)


async def test_a_user_who_is_not_known_is_refused(own_server: Child, own_port: int, own_url: str) -> None:
    plain = BridgeSettings.load(redis_url=own_url)
    async with Redis.open(own_url, plain) as admin:
        await admin.execute("CONFIG", "SET", "requirepass", "p/w:1")
    right, wrong = (f"redis://:{password}@{LOOPBACK}:{own_port}/0" for password in ("p%2Fw%3A1", "p"))

    await works(BridgeSettings.load(redis_url=right))
    await is_refused(BridgeSettings.load(redis_url=wrong), "invalid username-password")
    await is_refused(plain, "Authentication required")


@pytest.mark.parametrize("address", ["unix://{}?db=2", "redis+socket://{}?virtual_host=2"])
async def test_a_server_is_reached_by_its_socket(tmp_path: Path, address: str) -> None:
    port, path = free_port(), tmp_path / "r.sock"
    service = embedded_server(find_binary(), port, tmp_path)
    settings = BridgeSettings.load(redis_url=address.format(path))
    async with Child(replace(service, argv=(*service.argv, "--unixsocket", str(path)))):
        await works(settings)
        await works_for_arq(settings)
        async with Redis.open(server_url(port), settings) as zero:
            assert await zero.execute("DBSIZE") == 0


async def test_results_may_be_on_another_server_or_database_than_queues(
    own_server: Child, own_url: str, tmp_path: Path
) -> None:
    async with redis_server(port := free_port(), tmp_path / "results"):
        for backend in (server_url(port), own_url.removesuffix("/0") + "/5"):
            settings = BridgeSettings.load(redis_url=own_url, result_backend_url=backend)
            async with Redis.open(own_url, settings) as redis:
                await redis.execute("FLUSHALL")
            await works(settings)
            await keys_are_apart(settings)


async def keys_are_apart(settings: BridgeSettings) -> None:
    names: list[Any] = []
    for address in (settings.broker, settings.backend):
        async with Redis.open(address, settings) as redis:
            names.append(sorted({key.partition(b":")[0][:16] for key in await redis.execute("KEYS", "*")}))
    assert names == [[b"celery", b"petiole"], [b"celery-task-meta"]]
