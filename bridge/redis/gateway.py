"""One Redis server and database: all commands of one moment in one round trip."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any, Self, cast

from redis import asyncio as aioredis
from redis import exceptions

from bridge.address import RedisAddress, read_address
from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, ClientClosed, PublisherBusy
from bridge.reading import readable
from bridge.redis.connection import Arg, connect
from bridge.redis.published import Echo, Published, Subscriptions, closing, next_message
from bridge.redis.stream import StreamReader
from bridge.redis.translation import translated
from bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)
Reply = Any
"""What redis-py answers: bytes, int, None, or lists of these. Each caller says which one by a name or a check."""
Command = Sequence[Arg]
_COMMANDS_A_TRIP = 256


_INCLUDE = re.compile("^-- include ([a-z]+)$", re.MULTILINE)


class Script:
    """A Lua script of ``bridge/scripts``, run by its hash. A line ``-- include name`` stands for another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = _INCLUDE.sub(lambda found: _read(found[1]), _read(name))
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def _read(name: str) -> str:
    return files("bridge").joinpath("scripts", name + ".lua").read_text("utf-8")


class Redis:
    """One Redis server and database, for one process.

    Every method raises `BrokerUnavailable` when the server does not answer in time, `UnreadableBytes` when a key holds
    what it should not, `ClientClosed` after the end of the gateway and `WrongLoop` in another event loop than that in
    which it was opened. Nothing is repeated by itself.
    """

    def __init__(self, address: RedisAddress | str, settings: BridgeSettings) -> None:
        self._address = read_address(address) if isinstance(address, str) else address
        self._settings = settings
        self._client = self._connect()
        self._batcher: Batcher[tuple[Arg, ...], Reply] = Batcher(
            self._execute, size=_COMMANDS_A_TRIP, limit=settings.max_pending_submits
        )
        self.check = self._batcher.lifetime.check
        """Check that it can be called; see `Lifetime.check`."""
        self._beside: set[aioredis.Redis] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, address: RedisAddress | str, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A gateway that connects on its first use and is closed at the end of the block.

        Raises:
            InvalidSettings: a file of a certificate or key is not there.
        """
        redis = cls(address, settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis._client.aclose)
            stack.push_async_callback(redis._leave_beside)
            await stack.enter_async_context(redis._batcher)
            yield redis

    def __repr__(self) -> str:
        return f"<Redis database={self.database} {self._batcher!r}>"

    @property
    def database(self) -> int:
        """Number of the database; it is part of the names of Celery's channels."""
        return self._address.database

    @property
    def settings(self) -> BridgeSettings:
        """What it was opened with."""
        return self._settings

    def _connect(self) -> aioredis.Redis:
        return connect(self._address, self._settings.connect_timeout)

    async def execute(self, *command: Arg) -> Reply:
        """Run a command, joined with all others of this moment."""
        with translated():
            return await self._batcher.call(command)

    async def apart(self, *commands: Command, patience: float = 1) -> list[Reply]:
        """Run commands in a round trip of their own, which neither waits for those of callers nor is refused.

        For what one task alone asks, since nothing here bounds it. It may take `patience` times as long as others.
        Raises the first error of a command.
        """
        self.check()
        with translated():
            replies = list(await self._execute(commands, patience))
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    def hand_over(self, *command: Arg, otherwise: str, undone: Callable[[], object] | None = None) -> None:
        """Have a command run with all others of this moment, and go on: it is sent at the latest as the gateway closes.

        When it could not be run, what is so `otherwise` is logged with the reason, and `undone` is called.
        """

        def failed(error: BaseException) -> None:
            logger.warning("%s: %s", otherwise, error)
            if undone:
                undone()

        def look(future: asyncio.Future[Reply]) -> None:
            if not future.cancelled() and (error := future.exception()):
                failed(error)

        try:
            self._batcher.call(command).add_done_callback(look)
        except (PublisherBusy, ClientClosed) as error:
            failed(error)

    async def _execute(self, commands: Sequence[Command], patience: float = 1) -> Sequence[Reply | Exception]:
        async with self._in_time(patience), self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            replies: list[Reply] = await pipe.execute(raise_on_error=False)
            return replies

    def _in_time(self, patience: float = 1) -> asyncio.Timeout:
        return asyncio.timeout(self._settings.command_timeout * patience)

    async def hash(self, key: str) -> dict[str, bytes]:
        """All fields of a hash; none when there is no such key. Those whose names are not UTF-8 are passed over."""
        fields: dict[bytes, bytes] = await self.execute("HGETALL", key)
        return dict(readable(fields.items(), lambda field: (field[0].decode(), field[1]), key))

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], *, after: Sequence[Command] = ()
    ) -> Reply:
        """Run a script; it is sent in full only to a server that does not know it.

        The commands `after` which it runs go in front of it in the same round trip; they may be run twice.
        """
        self.check()
        with translated():
            async with self._in_time():
                try:
                    return await self._evalsha(script, keys, args, after)
                except exceptions.NoScriptError:  # the server is new to it, or was restarted
                    await self._execute([("SCRIPT", "LOAD", script.text)])
                    return await self._evalsha(script, keys, args, after)

    async def _evalsha(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], after: Sequence[Command]
    ) -> Reply:
        if after:
            async with self._client.pipeline(transaction=False) as pipe:
                for command in (*after, ("EVALSHA", script.sha, len(keys), *keys, *args)):
                    pipe.execute_command(*command)
                return (await pipe.execute())[-1]
        # The argument is typed as str by redis-py, which takes bytes and numbers as well.
        return await cast(
            "Awaitable[Reply]", self._client.evalsha(script.sha, len(keys), *keys, *cast("list[str]", args))
        )

    async def transaction(self, *commands: Sequence[Arg]) -> list[Reply]:
        """Run commands as one MULTI/EXEC."""
        self.check()
        with translated():
            async with self._in_time(), self._client.pipeline(transaction=True) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                replies: list[Reply] = await pipe.execute()
                return replies

    async def listen(self, pattern: str, echo: Echo | None = None) -> AsyncGenerator[Published, None]:
        """What is published on channels of `pattern`, on a connection of its own, until that connection breaks.

        The first thing it yields says that the subscription has begun: read then what may have been missed. An `echo`
        tells others how far it has come.
        """
        echo = echo or Echo()
        async with self._connection() as client, closing(client.pubsub()) as pubsub:
            try:
                with translated():
                    async with self._in_time():
                        await pubsub.psubscribe(pattern)
                while True:
                    self.check()  # a subscription that was left would connect again
                    message = await next_message(pubsub)
                    if message["type"] == "psubscribe":
                        echo.begin(pubsub)
                        yield Published()
                    elif message["type"] == "pmessage":
                        yield Published(channel=message["channel"].decode(errors="replace"), data=message["data"])
                    elif message["type"] == "pong":
                        echo.heard(message)
            finally:
                echo.end()

    @asynccontextmanager
    async def popping(self, key: str) -> AsyncIterator[Callable[[float], Awaitable[bytes | None]]]:
        """Takes the oldest value off a list, waiting for one so many seconds (not 0), on a connection of its own."""
        async with self._connection() as client:

            async def pop(seconds: float) -> bytes | None:
                with translated():
                    async with asyncio.timeout(seconds + self._settings.command_timeout):
                        popped = client.brpop([key], timeout=cast("int", seconds))  # fractions are fine
                        found = await cast("Awaitable[list[bytes] | None]", popped)
                return found[1] if found else None

            yield pop

    @asynccontextmanager
    async def subscriptions(self) -> AsyncIterator[Subscriptions]:
        """Channels that come and go, on a connection of its own."""
        async with self._connection() as client, closing(client.pubsub()) as pubsub:
            yield Subscriptions(pubsub, self._settings.command_timeout)

    @asynccontextmanager
    async def stream(self, key: str, cap: int) -> AsyncIterator[StreamReader]:
        """A reader of a stream of `cap` entries from its present end, on a connection of its own."""
        async with self._connection() as client:
            yield await StreamReader.at_end(client, key, cap)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aioredis.Redis]:
        """A client with a connection beside that of the commands, until the block ends, or the gateway."""
        self.check()
        client = self._connect()
        self._beside.add(client)
        try:
            yield client
        except BrokerUnavailable as error:
            if self._batcher.lifetime.closed:
                raise ClientClosed from error
            raise
        finally:
            self._beside.discard(client)
            await client.aclose()

    async def _leave_beside(self) -> None:
        for client in tuple(self._beside):
            await client.aclose()
