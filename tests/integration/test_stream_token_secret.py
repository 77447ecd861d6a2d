"""What all API processes sign stream tokens with."""

import asyncio

from bridge.access.stream_tokens import StreamGrant, StreamTokens, shared_secret
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings

GRANT = StreamGrant(owner="acme", key_id="k1", expires_at=1_000)


async def test_a_token_of_one_process_is_good_in_another(redis: Redis, settings: BridgeSettings) -> None:
    async with Redis.open(settings.redis_url, settings) as other:
        ours, theirs = StreamTokens(shared_secret(redis)), StreamTokens(shared_secret(other))
        made = await asyncio.gather(ours.token(GRANT), theirs.token(GRANT))
        assert made[0] == made[1]
        assert await theirs.read(made[0], 0) == GRANT


async def test_who_deletes_the_secret_ends_all_tokens(redis: Redis) -> None:
    tokens = StreamTokens(shared_secret(redis))
    token = await tokens.token(GRANT)
    await redis.execute("DEL", Keys(redis.settings.prefix).stream_token_secret)
    assert await tokens.read(token, 0) is None
