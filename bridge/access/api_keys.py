"""API keys in Redis: who may call, and what for. Of a key's secret only a hash is kept.

A key reads ``ptl_<id>_<secret>``. The secret is 256 random bits, so its SHA-256 is safe to keep: nobody finds such a
secret by trying, however quick the trying is. A slow hash is for passwords, and here would only slow every request.
"""

import hmac
import json
import math
import re
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from bridge.errors import ApiKeyNotFound, InvalidOwner, PetioleError, UnreadableBytes
from bridge.protocol.keys import Keys
from bridge.redis import Redis

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ID_BYTES, _SECRET_BYTES = 8, 32
_TEXT = re.compile(r"ptl_([0-9a-f]{16})_([0-9a-f]{64})")


class Scope(StrEnum):
    """What a key may be used for."""

    SUBMIT = "submit"
    READ = "read"
    CONTROL = "control"
    ADMIN = "admin"
    """All of it, and what concerns the tasks of every owner: queues, workers."""


class Presented(NamedTuple):
    """The two parts of a key, as somebody shows it."""

    key_id: str
    secret: str


def read_key(text: str) -> Presented | None:
    """The parts of a key; None when this is no key."""
    found = _TEXT.fullmatch(text)
    return Presented(found[1], found[2]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret. Times are ms since 1970.

    Raises:
        InvalidOwner: no owner can be called so. No colon, since owners stand in keys of Redis.
    """

    key_id: str
    owner: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    name: str = ""
    created_ms: int
    expires_ms: int | None = None
    used_ms: int | None = None
    """When it was used last, some seconds more or less."""

    def __post_init__(self) -> None:
        if not _OWNER.fullmatch(self.owner):
            raise InvalidOwner(self.owner)

    def is_opened_by(self, secret: str) -> bool:
        """Whether this is its secret. Takes equally long for every wrong one."""
        return hmac.compare_digest(self.digest, _digest(secret))

    def seconds_left(self, now_ms: int) -> float:
        """How long it is still valid; 0 or less when its time is over."""
        return math.inf if self.expires_ms is None else (self.expires_ms - now_ms) / 1000


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


class ApiKeys:
    """The keys of an installation. Every method raises `BrokerUnavailable` when Redis does not answer.

    `clock` gives seconds since 1970.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._keys = Keys(redis.settings.prefix)
        self._clock = clock

    def __repr__(self) -> str:
        return f"<ApiKeys {self._redis!r}>"

    async def create(
        self, owner: str, scopes: Collection[Scope], *, name: str = "", lifetime: float | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key that lives `lifetime` seconds, or until it is revoked; the key, and its text, which is never seen
        again.

        Raises:
            InvalidOwner: no owner can be called so.
        """
        now, secret = self._now_ms(), secrets.token_hex(_SECRET_BYTES)
        key = ApiKey(
            key_id=secrets.token_hex(_ID_BYTES),
            owner=owner,
            scopes=frozenset(scopes),
            digest=_digest(secret),
            name=name,
            created_ms=now,
            expires_ms=None if lifetime is None else now + int(lifetime * 1000),
        )
        await self._redis.execute("HSET", self._keys.api_keys, key.key_id, _written(key))
        return key, f"ptl_{key.key_id}_{secret}"

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id; None when there is none that is still valid.

        Raises:
            UnreadableBytes: what is kept is no key.
        """
        kept = await self._redis.execute("HGET", self._keys.api_keys, key_id)
        key = _read(key_id, kept) if kept is not None else None
        return key if key and self.seconds_left(key) > 0 else None

    def seconds_left(self, key: ApiKey) -> float:
        """How long a key is still valid."""
        return key.seconds_left(self._now_ms())

    async def note_use(self, key_id: str) -> None:
        """Keep that a key is used now, if Redis takes it: one that is full still lets everybody read."""
        with suppress(PetioleError):
            await self._redis.execute("HSET", self._keys.api_keys_used, key_id, self._now_ms())

    async def all(self) -> list[ApiKey]:
        """All keys, the oldest first, those that have expired as well.

        Raises:
            UnreadableBytes: what is kept is no key.
        """
        kept = await self._redis.hash(self._keys.api_keys)
        used = await self._redis.hash(self._keys.api_keys_used)
        keys = [_read(key_id, value, used.get(key_id)) for key_id, value in kept.items()]
        return sorted(keys, key=lambda key: (key.created_ms, key.key_id))

    async def revoke(self, key_id: str) -> None:
        """Delete a key.

        Raises:
            ApiKeyNotFound: there is none with this id.
        """
        deleted, _ = await self._redis.transaction(
            ("HDEL", self._keys.api_keys, key_id), ("HDEL", self._keys.api_keys_used, key_id)
        )
        if not deleted:
            raise ApiKeyNotFound(key_id)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _written(key: ApiKey) -> str:
    return json.dumps(
        {
            "owner": key.owner,
            "scopes": sorted(key.scopes),
            "digest": key.digest,
            "name": key.name,
            "created": key.created_ms,
            "expires": key.expires_ms,
        }
    )


def _read(key_id: str, kept: bytes, used: bytes | None = None) -> ApiKey:
    try:
        said = json.loads(kept)
        return ApiKey(
            key_id=key_id,
            owner=said["owner"],
            scopes=frozenset(map(Scope, said["scopes"])),
            digest=said["digest"],
            name=said["name"],
            created_ms=said["created"],
            expires_ms=said["expires"],
            used_ms=None if used is None else int(used),
        )
    except (ValueError, TypeError, KeyError) as error:  # without the bytes: there is a hash among them
        raise UnreadableBytes(
            f"what is kept of the API key {key_id} is not what `petiole keys create` writes"
        ) from error
