"""Listening: what is published of one source, heard in order, for ever."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from bridge.errors import BrokerUnavailable, PetioleError, UnreadableBytes
from bridge.redis import Published
from bridge.watch.handover import Handover

logger = logging.getLogger(__name__)
RECONNECT_SECONDS = 0.5
SOURCES = frozenset({"events", "results"})


async def for_ever(step: Callable[[], Awaitable[object]], pause: float) -> None:
    """Take a step again and again, so many seconds after it was done, or after it failed and that was logged."""
    while True:
        try:
            await step()
        except BrokerUnavailable as error:
            logger.warning("%s", error)
            await asyncio.sleep(RECONNECT_SECONDS)
        except PetioleError:
            logger.exception("a step of the watcher failed, will be taken again")
            await asyncio.sleep(RECONNECT_SECONDS)
        await asyncio.sleep(pause)


class Listener:
    """Listens to one of `SOURCES`. What it passes on to `hear` comes after what other watchers have still to tell.

    `all_told` waits until what was published so far is recorded.
    """

    def __init__(
        self,
        source: str,
        published: Callable[[], AsyncGenerator[Published, None]],
        hear: Callable[[bytes], Awaitable[None]],
        all_told: Callable[[], Awaitable[None]],
        handover: Handover,
    ) -> None:
        self._source = source
        self._published = published
        self._hear = hear
        self._all_told = all_told
        self._handover = handover

    def __repr__(self) -> str:
        return f"<Listener to {self._source}>"

    async def listen(self, missed: Callable[[], None]) -> None:
        """Listen for ever; reconnects by itself. `missed` is called when all sources are listened to, and some of what
        was published before may not have been heard."""

        async def listen_once() -> None:
            try:
                async with aclosing(self._published()) as messages:
                    async for message in messages:
                        await (self._begin(missed) if message.begins else self._pass_on(message))
            finally:
                self._handover.end(self._source)

        await for_ever(listen_once, RECONNECT_SECONDS)

    async def catch_up(self) -> None:
        """Note for others how far what is heard here has been told."""
        await self._handover.catch_up(self._source, self._all_told)

    async def _begin(self, missed: Callable[[], None]) -> None:
        await self._handover.begin(self._source)
        if self._handover.listens_to == SOURCES:
            missed()

    async def _pass_on(self, message: Published) -> None:
        try:
            await self._hear(message.data)
        except UnreadableBytes as error:
            logger.warning("passed over a message on %s: %s", message.channel, error)
