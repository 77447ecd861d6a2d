"""The way into the API: who calls, and how much each may ask for."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from app.auth import Doorkeeper, KnownKeys
from app.rate_limit import Limiter
from app.settings import Settings
from bridge.access.api_keys import ApiKeys
from bridge.access.rate_limits import RateLimits
from bridge.access.stream_tokens import StreamTokens, new_secret, shared_secret
from bridge.redis import Redis


def _of_this_process() -> Doorkeeper:
    secret = new_secret()

    async def own_secret() -> bytes:
        return secret

    return Doorkeeper(StreamTokens(own_secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """By default an open one: nobody is asked for a key, nothing is counted, and stream tokens are of this process."""

    doorkeeper: Doorkeeper = field(default_factory=_of_this_process)
    limiter: Limiter = field(default_factory=Limiter)


@asynccontextmanager
async def open_entrance(settings: Settings) -> AsyncIterator[Entrance]:
    """The entrance that the settings ask for. It has a connection of its own, which is made when it is first needed."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.broker, settings))
        keys = KnownKeys(ApiKeys(redis, time.time)) if settings.auth == "keys" else None
        rates = (
            await stack.enter_async_context(RateLimits.open(redis, rate=settings.rate_limit, burst=settings.rate_burst))
            if settings.rate_limit
            else None
        )
        yield Entrance(
            doorkeeper=Doorkeeper(StreamTokens(shared_secret(redis)), keys),
            limiter=Limiter(rates, places=settings.max_streams_per_key),
        )
