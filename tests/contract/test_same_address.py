"""The address that a stock worker is given is the one that we are given."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cli.ports import LOOPBACK, free_port, free_ports
from app.cli.stack.embedded import server_url
from bridge import open_client
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.contract.installed_worker import installed_worker
from tests.sentinels import MASTER, PASSWORD, sentinel, server
from tests.tls import OPENSSL, Authority, tls_in_front

DEADLINE = 40
Address = AbstractAsyncContextManager[str]


@asynccontextmanager
async def with_tls_and_a_password(files: Path) -> AsyncIterator[str]:
    port, authority = free_port(), Authority(files / "authority")
    certificate, client = authority.issue("server", f"IP:{LOOPBACK}"), authority.issue("client", "DNS:client")
    options = f"ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={authority.file}"
    own = f"ssl_certfile={client.cert}&ssl_keyfile={client.key}"
    async with (
        server(port, files / "server"),
        Redis.open(server_url(port), BridgeSettings.load()) as admin,
        tls_in_front(port, certificate, clients_of=authority.file) as outside,
    ):
        await admin.execute("ACL", "SETUSER", "team", "on", ">p/w:1", "~*", "&*", "+@all")
        await admin.execute("ACL", "SETUSER", "default", "off")
        yield f"rediss://team:p%2Fw%3A1@{LOOPBACK}:{outside}/1?{options}&{own}"


@asynccontextmanager
async def by_a_socket(files: Path) -> AsyncIterator[str]:
    path = files / "r.sock"
    async with server(free_port(), files / "server", "--unixsocket", str(path)):
        yield f"redis+socket://{path}?virtual_host=2"


@asynccontextmanager
async def by_sentinels(files: Path) -> AsyncIterator[str]:
    master, watching, dead = free_ports(3)
    async with server(master, files / "server"), sentinel(watching, master, files / "sentinel"):
        yield f"sentinel://{LOOPBACK}:{dead};sentinel://{LOOPBACK}:{watching}/0"


def configuration(url: str) -> dict[str, Any]:
    options = {"master_name": MASTER, "sentinel_kwargs": {"password": PASSWORD}} if url.startswith("sentinel") else {}
    return {
        "broker_url": url,
        "result_backend": url,
        "broker_transport_options": options,
        "result_backend_transport_options": options,
    }


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            with_tls_and_a_password, marks=pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")
        ),
        by_a_socket,
        by_sentinels,
    ],
)
async def test_a_worker_and_we_meet_at_the_same_address(place: Callable[[Path], Address], tmp_path: Path) -> None:
    async with place(tmp_path) as url:
        settings = BridgeSettings.load(redis_url=url, broker_master_name=MASTER, sentinel_password=PASSWORD)
        async with (
            installed_worker(configuration(url), tmp_path / "log"),
            asyncio.timeout(DEADLINE),
            open_client(settings) as client,
        ):
            handle = await client.submit("installation.add", (2, 3))
            assert await handle.result() == 5
            assert await client.control.ping(timeout=DEADLINE)
