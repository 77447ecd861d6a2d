"""How connections are made, for whatever they are used."""

from hiredis import pack_command
from redis import asyncio as aioredis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff

Arg = str | bytes | int | float


class _PackedByHiredis:
    """Packs commands in C. redis-py's asyncio connections pack in Python, which took a third of a submit's time."""

    def pack_command(self, *args: Arg) -> list[bytes]:
        return [pack_command(args)]  # type: ignore[arg-type]  # its stub means tuples of any length


def connect(url: str, connect_timeout: float) -> aioredis.Redis:
    """A client that repeats nothing by itself and never waits in silence for a connection.

    It has no `socket_timeout`: with it redis-py writes by `wait_for`, which in Python 3.11 swallows a cancellation that
    comes as the write completes. Each call in this package has a timeout of its own.
    """
    client: aioredis.Redis = aioredis.Redis.from_url(
        url,
        socket_connect_timeout=connect_timeout,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    pool = client.connection_pool
    pool.connection_class = type("FastConnection", (_PackedByHiredis, pool.connection_class), {})
    return client


def patience() -> tuple[Retry, list[type[Exception]]]:
    """For a library that opens its own connections: retry for ever, and on which errors."""
    return Retry(ConstantBackoff(1), -1), [
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        OSError,  # what a refused connection is, before redis-py makes its own error of it
    ]
