"""An exchange named ``x``, as workers declare it, and somebody who listens to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bridge.protocol.keys import SEPARATOR
from bridge.redis import Published, Redis

KEY = "_kombu.binding.x"


def bound(routing_key: str, queue: str) -> str:
    return SEPARATOR.join((routing_key, "", queue))


@asynccontextmanager
async def listening(redis: Redis) -> AsyncIterator[AsyncIterator[Published]]:
    """What is published to the exchange, as Kombu subscribes to it, from now on."""
    async with aclosing(redis.listen("/0.x*")) as messages, asyncio.timeout(5):
        assert (await anext(messages)).begins
        yield messages
