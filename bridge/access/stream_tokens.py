"""Stream tokens: a short permission to follow some tasks, for who can send no headers, such as a browser's EventSource.

A token reads ``<what it permits>.<signature>``, both in URL-safe base64. It is signed by HMAC-SHA256 with a secret that
all API processes share through Redis; whoever deletes that secret there ends every token at once.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.protocol.compact import compact
from bridge.protocol.keys import Keys
from bridge.redis import Redis

MAX_LENGTH = 4_096
"""Of a token: it stands in an address, and servers on the way bound those."""
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGrant:
    """What a token permits: to follow what `filters` select among the tasks of `owner`, all of them when it is empty.

    It was asked for with the key `key_id`, and is worth nothing without it.
    """

    owner: str
    key_id: str
    expires_at: int
    """Seconds since 1970."""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


def signed(grant: StreamGrant, secret: bytes) -> str:
    """The token of a grant."""
    said = compact([grant.owner, grant.key_id, grant.expires_at, grant.filters]).encode()
    return f"{_encoded(said)}.{_encoded(_signature(said, secret))}"


def read_token(token: str, secret: bytes, now: float) -> StreamGrant | None:
    """What a token permits at the time `now` (s since 1970); None when it is no token of ours, or has expired."""
    said, _, signature = token[:MAX_LENGTH].partition(".")
    try:
        content = _decoded(said)
        if not hmac.compare_digest(_decoded(signature), _signature(content, secret)):
            return None
    except ValueError:
        return None
    owner, key_id, expires_at, filters = json.loads(content)  # it is signed, so it is as it was written
    grant = StreamGrant(owner=owner, key_id=key_id, expires_at=expires_at, filters=filters)
    return grant if now < expires_at else None


def _signature(said: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, said, "sha256")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)


class StreamTokens:
    """Makes and reads tokens, by a `secret` that is asked for each time."""

    def __init__(self, secret: Callable[[], Awaitable[bytes]]) -> None:
        self._secret = secret

    async def token(self, grant: StreamGrant) -> str:
        """The token of a grant. Raises what the secret raises."""
        return signed(grant, await self._secret())

    async def read(self, token: str, now: float) -> StreamGrant | None:
        """What a token permits; None when it is no token of ours, or has expired. Raises what the secret raises."""
        return read_token(token, await self._secret(), now)


def shared_secret(redis: Redis) -> Callable[[], Awaitable[bytes]]:
    """The secret of all processes on this server, made when it is first asked for.

    Asking raises `BrokerUnavailable` when Redis does not answer.
    """
    key = Keys(redis.settings.prefix).stream_token_secret

    async def secret() -> bytes:
        kept: bytes | None = await redis.execute("GET", key)
        if kept is None:
            await redis.execute("SET", key, new_secret(), "NX")
            kept = await secret()
        return kept

    return secret


def new_secret() -> bytes:
    """A secret to sign with."""
    return secrets.token_bytes(_SECRET_BYTES)
