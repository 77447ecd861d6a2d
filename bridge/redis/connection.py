"""How connections are made, for whatever they are used."""

import select
from asyncio import StreamWriter
from pathlib import Path
from typing import Any, cast

from hiredis import pack_command
from redis import asyncio as aioredis
from redis import exceptions
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import ConstantBackoff, NoBackoff

from bridge.address import RedisAddress, Tls
from bridge.errors import InvalidSettings

Arg = str | bytes | int | float
Options = dict[str, Any]
"""Keyword arguments of redis-py's connections."""


class _Fast:
    """What takes redis-py's asyncio connections longest, done otherwise."""

    _writer: StreamWriter | None

    def pack_command(self, *args: Arg) -> list[bytes]:
        """Packs in C, which redis-py does not: it took a third of a submit's time."""
        return [pack_command(args)]  # type: ignore[arg-type]  # its stub means tuples of any length

    async def can_read_destructive(self) -> bool:
        """Whether there is something to read before a command is sent: so it is when the server has closed.

        redis-py finds out by reading with no time to wait, a quarter of the work of a round trip. The system is asked
        first here, and that is done only if there is something.
        """
        if self._writer and _is_quiet(self._writer.get_extra_info("socket").fileno()):
            return False
        something: bool = await super().can_read_destructive()  # type: ignore[misc]  # of the connection it is mixed into
        return something


def _is_quiet(socket: int) -> bool:
    """Whether a socket is open and has nothing to read. One that the loop has closed already has no number any more."""
    if socket < 0:
        return False
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return not poll.poll(0)


def connect(address: RedisAddress, connect_timeout: float) -> aioredis.Redis:
    """A client that repeats nothing by itself and never waits in silence for a connection.

    It has no `socket_timeout`: with it redis-py writes by `wait_for`, which in Python 3.11 swallows a cancellation that
    comes as the write completes. Each call in this package has a timeout of its own.

    Raises:
        InvalidSettings: a file of a certificate or key is not there.
    """
    pool = connection_pool(address, connect_timeout, retry=Retry(NoBackoff(), 0), socket_timeout=None)
    pool.connection_class = type("FastConnection", (_Fast, pool.connection_class), {})
    client: aioredis.Redis = aioredis.Redis.from_pool(pool)
    return client


def connection_pool(address: RedisAddress, connect_timeout: float, **options: Any) -> aioredis.ConnectionPool:
    """A pool of connections to an address; whoever closes its client closes it too. Raises as `connect` does."""
    options |= {
        "db": address.database,
        "username": address.username,
        "password": address.password,
        "client_name": address.client_name,
        "health_check_interval": address.health_check_interval,
        "socket_connect_timeout": connect_timeout,
        "protocol": 2,
        **_tls(address.tls),
    }
    if address.path:
        return aioredis.ConnectionPool(UnixDomainSocketConnection, path=address.path, **options)
    options["socket_keepalive"] = address.socket_keepalive
    if address.sentinels:
        return _MasterPool(address, options)
    kind = aioredis.SSLConnection if address.tls else aioredis.Connection
    return aioredis.ConnectionPool(kind, host=address.host, port=address.port, **options)


class _AsksAnew:
    """Tries an address that the sentinels gave once; a retry of the connection asks them again. redis-py's own would go
    on with that address, whoever is master by then."""

    retry: Retry

    async def connect_to(self, address: tuple[str, int]) -> None:
        patient, self.retry = self.retry, Retry(NoBackoff(), 0)
        try:
            await super().connect_to(address)  # type: ignore[misc]  # of the connection it is mixed into
        finally:
            self.retry = patient


class _Plain(_AsksAnew, SentinelManagedConnection):
    """A connection to a master."""


class _Encrypted(_AsksAnew, SentinelManagedSSLConnection):
    """A connection to a master, by TLS."""


class _MasterPool(SentinelConnectionPool):
    """Asks the sentinels where the master is, whenever it connects."""

    def __init__(self, address: RedisAddress, options: Options) -> None:
        self._finder = cast("Any", Sentinel)(
            address.sentinels,
            sentinel_kwargs={
                "username": address.sentinel_username,
                "password": address.sentinel_password,
                "socket_connect_timeout": options["socket_connect_timeout"],
                "socket_timeout": None,
                "retry": Retry(NoBackoff(), 0),  # there is the next sentinel to ask
                "protocol": 2,
                **(_sentinel_tls(address) if address.sentinel_tls else {}),
            },
        )
        kind = _Encrypted if address.tls else _Plain
        cast("Any", super()).__init__(address.master_name, self._finder, connection_class=kind, **options)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Leaves the sentinels too when it leaves everybody. Whoever uses it again connects again."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self._finder.sentinels:
                await sentinel.aclose()


def _sentinel_tls(address: RedisAddress) -> Options:
    """As to the master; where that has no TLS, any authority that this machine trusts may vouch for the sentinels."""
    return {"ssl": True, **_tls(address.tls or Tls())}


def _tls(tls: Tls | None) -> Options:
    if tls is None:
        return {}
    for path in filter(None, (tls.ca_certs, tls.certfile, tls.keyfile)):
        if not Path(path).is_file():
            raise InvalidSettings(f"There is no file {path}, which the address of Redis names. Correct it, or add it.")
    return {
        "ssl_cert_reqs": tls.verify,
        "ssl_check_hostname": tls.check_hostname,
        "ssl_ca_certs": tls.ca_certs,
        "ssl_certfile": tls.certfile,
        "ssl_keyfile": tls.keyfile,
    }


def patience() -> tuple[Retry, list[type[Exception]]]:
    """For a library that opens its own connections: retry for ever, and on which errors."""
    return Retry(ConstantBackoff(1), -1), [
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        OSError,  # what a refused connection is, before redis-py makes its own error of it
    ]
