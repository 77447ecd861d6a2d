"""The one gateway to redis-py: typed, errors translated, all commands of one moment in one round trip."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Self, cast

from hiredis import pack_command
from redis import asyncio as aioredis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff

from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.settings import BridgeSettings

Arg = str | bytes | int | float
Reply = Any
"""What redis-py answers: bytes, int, None, or lists of these. Each caller says which one by a name or a check."""
Entry = Sequence[bytes]
"""An entry of a stream: names and values of its fields, in turn."""
_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.AuthenticationError,
    exceptions.OutOfMemoryError,
    OSError,
)
BLOCK_SECONDS = 5.0
"""How long one blocking read waits; a stop is noticed at once all the same, since the read is cancelled."""
SILENCE_SECONDS = 15.0
"""Silence of a subscription, pings unanswered, after which it is taken for dead."""
_COMMANDS_A_TRIP = 256


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise BrokerUnavailable(str(error) or type(error).__name__) from error
    except exceptions.RedisError as error:
        raise UnreadableBytes(f"Redis refused a command: {error}. Is a key of another program in the way?") from error


class _PackedByHiredis:
    """Packs commands in C. redis-py's asyncio connections pack in Python, which took a third of a submit's time."""

    def pack_command(self, *args: Arg) -> list[bytes]:
        return [pack_command(args)]  # type: ignore[arg-type]  # its stub means tuples of any length


class Script:
    """A Lua script of ``bridge/scripts``, run by its hash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = files("bridge").joinpath("scripts", name + ".lua").read_text("utf-8")
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A message of a subscription; without a channel it says that the subscription has just begun, or begun again."""

    channel: str = ""
    data: bytes = b""

    @property
    def begins(self) -> bool:
        """Whether messages may have been missed before this moment."""
        return not self.channel


class Redis:
    """One Redis server and database, for one process.

    Every method raises `BrokerUnavailable` when the server does not answer in time, and `UnreadableBytes` when a key
    holds what it should not. Nothing is repeated by itself.
    """

    def __init__(self, url: str, settings: BridgeSettings) -> None:
        self._url = url
        self._settings = settings
        self._client = self._connect()
        self._batcher: Batcher[tuple[Arg, ...], Reply] = Batcher(
            self._execute, size=_COMMANDS_A_TRIP, limit=settings.max_pending_submits
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A gateway that connects on its first use and is closed at the end of the block."""
        redis = cls(url, settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis._client.aclose)
            await stack.enter_async_context(redis._batcher)
            yield redis

    def __repr__(self) -> str:
        return f"<Redis database={self.database} {self._batcher!r}>"

    @property
    def database(self) -> int:
        """Number of the database; it is part of the names of Celery's channels."""
        return int(self._client.connection_pool.connection_kwargs.get("db") or 0)

    def _connect(self) -> aioredis.Redis:
        # No `socket_timeout`: with it redis-py writes by `wait_for`, which in Python 3.11 swallows a cancellation that
        # comes as the write completes. Each call here has a timeout of its own.
        client: aioredis.Redis = aioredis.Redis.from_url(
            self._url,
            socket_connect_timeout=self._settings.connect_timeout,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        pool = client.connection_pool
        pool.connection_class = type("FastConnection", (_PackedByHiredis, pool.connection_class), {})
        return client

    async def execute(self, *command: Arg) -> Reply:
        """Run a command, joined with all others of this moment."""
        with _translated():
            return await self._batcher.call(command)

    async def _execute(self, commands: Sequence[tuple[Arg, ...]]) -> Sequence[Reply | Exception]:
        async with self._in_time(), self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            replies: list[Reply] = await pipe.execute(raise_on_error=False)
            return replies

    def _in_time(self) -> asyncio.Timeout:
        return asyncio.timeout(self._settings.command_timeout)

    async def hash(self, key: str) -> dict[str, bytes]:
        """All fields of a hash; none when there is no such key."""
        fields: dict[bytes, bytes] = await self.execute("HGETALL", key)
        return {name.decode(): value for name, value in fields.items()}

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script; it is sent in full only to a server that does not know it."""
        with _translated():
            async with self._in_time():
                try:
                    return await self._evalsha(script, keys, args)
                except exceptions.NoScriptError:  # the server is new to it, or was restarted
                    await self._execute([("SCRIPT", "LOAD", script.text)])
                    return await self._evalsha(script, keys, args)

    async def _evalsha(self, script: Script, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        # The argument is typed as str by redis-py, which takes bytes and numbers as well.
        return await cast(
            "Awaitable[Reply]", self._client.evalsha(script.sha, len(keys), *keys, *cast("list[str]", args))
        )

    async def transaction(self, *commands: Sequence[Arg]) -> list[Reply]:
        """Run commands as one MULTI/EXEC."""
        with _translated():
            async with self._in_time(), self._client.pipeline(transaction=True) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                replies: list[Reply] = await pipe.execute()
                return replies

    async def listen(self, pattern: str) -> AsyncGenerator[Published, None]:
        """What is published on channels of `pattern`, on a connection of its own, until that connection breaks.

        The first thing it yields says that the subscription has begun: read then what may have been missed.
        """
        client = self._connect()
        pubsub = client.pubsub()
        try:
            with _translated():
                async with self._in_time():
                    await pubsub.psubscribe(pattern)
            while True:
                with _translated():
                    message = await _next_message(pubsub)
                if message["type"] == "psubscribe":
                    yield Published()
                elif message["type"] == "pmessage":
                    yield Published(channel=message["channel"].decode(), data=message["data"])
        finally:
            await _close(pubsub)
            await client.aclose()

    @asynccontextmanager
    async def popping(self, key: str) -> AsyncIterator[Callable[[float], Awaitable[bytes | None]]]:
        """Takes the oldest value off a list, waiting for one so many seconds (not 0), on a connection of its own."""
        client = self._connect()

        async def pop(seconds: float) -> bytes | None:
            with _translated():
                async with asyncio.timeout(seconds + self._settings.command_timeout):
                    popped = client.brpop([key], timeout=cast("int", seconds))  # fractions are fine
                    found = await cast("Awaitable[list[bytes] | None]", popped)
            return found[1] if found else None

        try:
            yield pop
        finally:
            await client.aclose()

    @asynccontextmanager
    async def stream(self, key: str, cap: int) -> AsyncIterator["StreamReader"]:
        """A reader of a stream of `cap` entries from its present end, on a connection of its own."""
        client = self._connect()
        try:
            yield await StreamReader.at_end(client, key, cap)
        finally:
            await client.aclose()


async def _close(pubsub: Any) -> None:
    with _translated():
        await pubsub.aclose()


async def _next_message(pubsub: Any) -> dict[str, Any]:
    """The next message; pings while there is none, and gives up when the pings are not answered."""
    silent = 0.0
    while silent < SILENCE_SECONDS:
        message = await pubsub.get_message(timeout=BLOCK_SECONDS)
        if message is not None:
            return cast("dict[str, Any]", message)
        silent += BLOCK_SECONDS
        await pubsub.ping()
    raise exceptions.TimeoutError(f"nothing was heard for {SILENCE_SECONDS:.0f} s")


class StreamReader:
    """Reads a capped stream entry by entry and knows when the cap took some away unread."""

    COUNT = 1_000
    """Entries that one read takes at the most."""

    def __init__(self, client: aioredis.Redis, key: str, last_id: bytes, cap: int) -> None:
        self._client = client
        self._key = key
        self._last_id = last_id
        self._suspicious = min(self.COUNT, cap)
        # As they come: redis-py would make a dict of each entry, most of which nobody here waits for.
        client.set_response_callback("XREAD", _as_it_comes)

    @classmethod
    async def at_end(cls, client: aioredis.Redis, key: str, cap: int) -> Self:
        """A reader of what is added from now on."""
        with _translated():
            newest = cast("list[tuple[bytes, Any]]", await client.xrevrange(key, count=1))
        return cls(client, key, newest[0][0] if newest else b"0-0", cap)

    async def read(self) -> tuple[list[Entry], bool]:
        """The entries added since the last call, and whether the cap took some away before they could be read.

        Waits for entries up to `BLOCK_SECONDS`, then returns none. It may cry wolf about the cap, never the reverse.
        """
        before = self._last_id
        with _translated():
            async with asyncio.timeout(2 * BLOCK_SECONDS):
                reply = cast(
                    "list[tuple[bytes, list[tuple[bytes, Entry]]]] | None",
                    await self._client.xread({self._key: before}, count=self.COUNT, block=int(BLOCK_SECONDS * 1000)),
                )
        entries = reply[0][1] if reply else []
        if entries:
            self._last_id = entries[-1][0]
        gap = len(entries) >= self._suspicious and await self._starts_after(before)
        return [fields for _, fields in entries if fields], gap

    async def _starts_after(self, entry_id: bytes) -> bool:
        with _translated():
            oldest = cast("list[tuple[bytes, Any]]", await self._client.xrange(self._key, count=1))
        return bool(oldest) and _order(oldest[0][0]) > _order(entry_id)


def _as_it_comes(response: Any, **_options: Any) -> Any:
    return response


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def patience() -> tuple[Retry, list[type[Exception]]]:
    """For a library that opens its own connections: retry for ever, and on which errors."""
    return Retry(ConstantBackoff(1), -1), [
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        OSError,  # what a refused connection is, before redis-py makes its own error of it
    ]
