"""PUB/SUB: what is published, on connections of their own."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, NoReturn, cast

from redis import exceptions

from bridge.errors import BrokerUnavailable
from bridge.redis.translation import translated

BLOCK_SECONDS = 5.0
"""How long one read waits before it asks whether the server is there."""
SILENCE_SECONDS = 15.0
"""Silence of a connection, pings unanswered, after which it is taken for dead."""


class Published(NamedTuple):
    """A message of a subscription; without a channel it says that the subscription has just begun, or begun again."""

    channel: str = ""
    data: bytes = b""

    @property
    def begins(self) -> bool:
        """Whether messages may have been missed before this moment."""
        return not self.channel


@asynccontextmanager
async def closing(pubsub: Any) -> AsyncIterator[Any]:
    """A subscription whose connection is closed with the block."""
    try:
        yield pubsub
    finally:
        with translated():
            await pubsub.aclose()


async def next_message(pubsub: Any) -> dict[str, Any]:
    """The next message; pings while there is none, and gives up when the pings are not answered.

    Raises:
        BrokerUnavailable: the connection broke, or nothing is heard on it.
    """
    silent = 0.0
    with translated():
        while silent < SILENCE_SECONDS:
            message = await pubsub.get_message(timeout=BLOCK_SECONDS)
            if message is not None:
                return cast("dict[str, Any]", message)
            silent += BLOCK_SECONDS
            await pubsub.ping()
        raise exceptions.TimeoutError(f"nothing was heard for {SILENCE_SECONDS:.0f} s")


class Echo:
    """Tells when a listener has passed on all that was published before it was asked. Listen with it, then ask."""

    def __init__(self) -> None:
        self._pubsub: Any = None
        self._numbers = itertools.count(1)
        self._awaited: dict[bytes, asyncio.Event] = {}

    async def returns(self) -> None:
        """Wait for it, as long as it takes. When nobody listens, or the connection breaks, nothing is waited for."""
        if self._pubsub is None:
            return
        number = str(next(self._numbers)).encode()
        self._awaited[number] = returned = asyncio.Event()
        try:
            with contextlib.suppress(BrokerUnavailable), translated():
                await self._pubsub.ping(number)
                await returned.wait()
        finally:
            del self._awaited[number]

    def begin(self, pubsub: Any) -> None:
        """That subscription is listened to, or again: what was on its way on an earlier connection is lost."""
        self._pubsub = pubsub
        self.let_go()

    def heard(self, message: dict[str, Any]) -> None:
        """The listener took everything before this answer to a ping."""
        if returned := self._awaited.get(message["data"]):
            returned.set()

    def end(self) -> None:
        """Nobody listens any more."""
        self._pubsub = None
        self.let_go()

    def let_go(self) -> None:
        """Have nobody wait any longer."""
        for returned in self._awaited.values():
            returned.set()


class Subscriptions:
    """Subscriptions that come and go. One task must `hear` them, which is also what makes the calls return."""

    def __init__(self, pubsub: Any, timeout: float) -> None:
        self._pubsub = pubsub
        self._timeout = timeout
        self._unconfirmed = 0
        self._confirmed = asyncio.Event()
        self._begun = asyncio.Event()

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Returns when the server has confirmed all of them: what is published from then on is heard."""
        await self._confirmation(self._pubsub.subscribe, channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """Returns when the server has confirmed all of them."""
        await self._confirmation(self._pubsub.unsubscribe, channels)

    async def _confirmation(self, call: Callable[..., Awaitable[object]], channels: Sequence[str]) -> None:
        if not channels:
            return
        with translated():
            async with asyncio.timeout(self._timeout):
                self._unconfirmed += len(channels)
                self._confirmed.clear()
                await call(*channels)
                self._begun.set()
                await self._confirmed.wait()

    async def hear(self, take: Callable[[str, bytes], None]) -> NoReturn:
        """Have the channel and the data of each message taken, until the connection breaks.

        Whoever waits for a message goes on before the next one is read. A callback, since a generator takes longer.

        Raises:
            BrokerUnavailable: the connection broke, or nothing is heard on it.
        """
        await self._begun.wait()  # before that there is no connection to read from
        while True:
            message = await next_message(self._pubsub)
            if message["type"] == "message":
                take(message["channel"].decode(), message["data"])
                await asyncio.sleep(0)
            elif message["type"] in ("subscribe", "unsubscribe"):
                self._unconfirmed -= 1
                if not self._unconfirmed:
                    self._confirmed.set()
