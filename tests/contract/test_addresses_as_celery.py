"""An address means to us what it means to Kombu and to Celery's result backend, as they are installed here."""

from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from celery.backends.redis import RedisBackend, SentinelBackend
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from kombu.transport.redis import Channel, SentinelChannel

from bridge.address import DEFAULT_HOST, DEFAULT_PORT, RedisAddress, read_address

HERE = ("localhost", "127.0.0.1", None)
"""What Celery makes of no host."""
ADDRESSES = [
    "redis://",
    "redis://h",
    "redis://h/",
    "redis://h//3",
    "redis://h:6380/2",
    "redis://[::1]:6380/2",
    "redis://:s%2Fecret%23@h",
    "redis://me%40x:p%3Aw@h/1",
    "rediss://h?ssl_cert_reqs=CERT_REQUIRED",
    "rediss://h:1/2?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
    "rediss://h?ssl_cert_reqs=CERT_NONE",
    "rediss://h?ssl_cert_reqs=none",
    "rediss://h?ssl_cert_reqs=CERT_OPTIONAL",
    "redis+socket:///run/redis.sock",
    "redis+socket:///run/redis.sock?virtual_host=2",
    "redis+socket://me:pw@/run/redis.sock?virtual_host=2",
    "sentinel://a:1",
    "sentinel://me:pw@a:1/2;sentinel://b:2",
    "sentinel://a:1;sentinel://b:2/0",
]


def of_broker(url: str) -> dict[str, Any]:
    """What Kombu would hand to redis-py."""
    connection = Connection(url)
    kind = SentinelChannel if url.startswith("sentinel") else Channel
    channel: Any = kind.__new__(kind)
    channel.connection = connection.transport
    parameters: dict[str, Any] = channel._connparams()
    if url.startswith("sentinel"):
        parameters["hosts"] = [Connection(one).host for one in connection.alt] or [connection.host]
    return parameters


def of_backend(url: str) -> dict[str, Any]:
    """What Celery's result backend would hand to redis-py."""
    kind = SentinelBackend if url.startswith("sentinel") else RedisBackend
    with Celery("nobody", set_as_current=False) as app:
        backend: Any = kind(url=url.removeprefix("redis+"), app=app)
    parameters: dict[str, Any] = backend.connparams
    parameters["hosts"] = [f"{host['host']}:{host['port']}" for host in parameters.get("hosts", [])]
    return parameters


def agrees(ours: RedisAddress, theirs: dict[str, Any]) -> None:
    if ours.sentinels:
        assert [f"{host}:{port}" for host, port in ours.sentinels] == theirs["hosts"]
    elif ours.path:
        assert theirs["path"] == ours.path
    else:
        host = DEFAULT_HOST if theirs["host"] in HERE else theirs["host"]
        assert (ours.host, ours.port) == (host, theirs["port"] or DEFAULT_PORT)
    assert ours.database == int(theirs["db"])
    assert (ours.username, ours.password) == (theirs.get("username"), theirs.get("password"))
    assert_same_tls(ours, theirs)


def assert_same_tls(ours: RedisAddress, theirs: dict[str, Any]) -> None:
    if ours.tls is None:
        assert "ssl_cert_reqs" not in theirs
        return
    assert theirs["ssl_cert_reqs"].name == f"CERT_{ours.tls.verify.upper()}"
    files = (theirs.get("ssl_ca_certs"), theirs.get("ssl_certfile"), theirs.get("ssl_keyfile"))
    assert (ours.tls.ca_certs, ours.tls.certfile, ours.tls.keyfile) == files


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_of_a_broker_is_read_as_kombu_reads_it(url: str) -> None:
    agrees(read_address(url), of_broker(url))


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_of_a_result_backend_is_read_as_celery_reads_it(url: str) -> None:
    agrees(read_address(url), of_backend(url))


@given(
    user=st.text(st.characters(min_codepoint=33, max_codepoint=382), max_size=8),
    password=st.text(st.characters(min_codepoint=32, max_codepoint=0x1F600, exclude_categories=["Cs"]), max_size=12),
    database=st.integers(0, 99),
    port=st.integers(1, 65_535),
)
def test_any_user_and_password_are_read_alike(user: str, password: str, database: int, port: int) -> None:
    url = f"redis://{quote(user, safe='')}:{quote(password, safe='')}@h:{port}/{database}"
    agrees(read_address(url), of_broker(url))
    agrees(read_address(url), of_backend(url))
