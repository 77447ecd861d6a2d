"""Who calls: the caller behind an API key or a stream token. Nothing that is secret stands in what is raised here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from starlette.types import Scope as Asgi

from app.errors import Problem, ProblemRaised
from bridge.access.api_keys import ApiKey, ApiKeys, Scope, read_key
from bridge.access.stream_tokens import StreamGrant, StreamTokens

Headers = Mapping[bytes, bytes]
"""Of a request, by their names in small letters."""
KEY_SECONDS = 5.0
"""For so long a process trusts what it knows of a key: a revoked one is refused after this time."""
KEYS_KNOWN = 1_024
"""Keys that a process knows at once; beyond it the one that was looked up longest ago is forgotten."""
EVERYTHING = frozenset(Scope)
_BEARER = b"bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose request this is and what it may do. Without keys everybody is the same one, who may do everything."""

    owner: str = ""
    scopes: frozenset[Scope] = EVERYTHING
    key_id: str = ""


ANYBODY = Caller()


class Follower(NamedTuple):
    """Who came with a stream token, and what it selects among the tasks of its owner: everything when it is empty."""

    caller: Caller
    filters: Mapping[str, Sequence[str]]


class StreamToken(NamedTuple):
    """A stream token, and until when it may be used, in seconds since 1970."""

    text: str
    expires_at: int


def caller_of(scope: Asgi) -> Caller:
    """Who calls, on a route that is guarded."""
    caller: Caller = scope["state"]["caller"]
    return caller


def unauthenticated(detail: str, *, error: str = "") -> ProblemRaised:
    """401: no key, or none that is valid. `error` is a code of RFC 6750."""
    challenge = 'Bearer realm="petiole"' + (f', error="{error}"' if error else "")
    problem = Problem(type="unauthenticated", status=401, detail=detail, headers={"WWW-Authenticate": challenge})
    return ProblemRaised(problem)


def forbidden(needed: Scope) -> ProblemRaised:
    """403: the key lacks a scope."""
    challenge = f'Bearer realm="petiole", error="insufficient_scope", scope="{needed}"'
    detail = f"This needs a key with the scope {needed}."
    return ProblemRaised(Problem(type="forbidden", status=403, detail=detail, headers={"WWW-Authenticate": challenge}))


def _no_key() -> ProblemRaised:
    return unauthenticated("Send an API key: `Authorization: Bearer ptl_…`, or `X-API-Key: ptl_…`.")


def _bad_key() -> ProblemRaised:
    return unauthenticated("This API key is not valid: unknown, expired or revoked.", error="invalid_token")


def _bad_token() -> ProblemRaised:
    return unauthenticated(
        "This stream token is not valid: unknown or expired. Ask for a new one.", error="invalid_token"
    )


class _Known(NamedTuple):
    caller: Caller
    until: float


class KnownKeys:
    """The keys that were used lately. `clock` gives seconds, and never goes back.

    They are known by the hash of their whole text, so how long a look-up takes tells nothing of a key. Only keys that
    there are are kept: a new one works at once, and nobody can fill this with invented ones.
    """

    def __init__(self, keys: ApiKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._known: dict[bytes, _Known] = {}

    def __repr__(self) -> str:
        return f"<KnownKeys {len(self._known)}>"

    def known(self, text: bytes) -> Caller | None:
        """Who shows this key, if it was looked up a moment ago."""
        known = self._known.get(sha256(text).digest())
        return known.caller if known and self._clock() < known.until else None

    async def look_up(self, text: bytes) -> Caller | None:
        """Who shows this key; None when it is not valid.

        Raises:
            BrokerUnavailable: Redis does not answer.
            UnreadableBytes: what is kept is no key.
        """
        presented = read_key(text.decode("latin-1"))
        key = await self._keys.find(presented.key_id) if presented else None
        if presented is None or key is None or not key.is_opened_by(presented.secret):
            return None
        await self._keys.note_use(key.key_id)
        return self._learn(text, key)

    async def with_id(self, key_id: str) -> Caller | None:
        """Whose key has this id; None when there is none that is valid. Raises as `look_up` does."""
        key = await self._keys.find(key_id)
        return _caller(key) if key else None

    def _learn(self, text: bytes, key: ApiKey) -> Caller:
        until = self._clock() + min(KEY_SECONDS, self._keys.seconds_left(key))
        caller, digest = _caller(key), sha256(text).digest()
        self._known.pop(digest, None)  # or it would keep its old place in the order
        self._known[digest] = _Known(caller, until)
        if len(self._known) > KEYS_KNOWN:
            del self._known[next(iter(self._known))]
        return caller


def _caller(key: ApiKey) -> Caller:
    scopes = EVERYTHING if Scope.ADMIN in key.scopes else key.scopes
    return Caller(owner=key.owner, scopes=scopes, key_id=key.key_id)


class Doorkeeper:
    """Tells who calls. Without `keys` everybody is `ANYBODY`. `clock` gives seconds since 1970."""

    def __init__(
        self, tokens: StreamTokens, keys: KnownKeys | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Doorkeeper {self._keys!r}>"

    def known(self, headers: Headers) -> Caller | None:
        """Who sent a request with these headers, if that can be told without asking Redis."""
        return self._keys.known(_key_in(headers)) if self._keys else ANYBODY

    async def caller(self, headers: Headers) -> Caller:
        """Who sent a request with these headers.

        Raises:
            ProblemRaised: 401.
            BrokerUnavailable: Redis does not answer.
        """
        if self._keys is None:
            return ANYBODY
        text = _key_in(headers)
        if not text:
            raise _no_key()
        caller = await self._keys.look_up(text)
        if caller is None:
            raise _bad_key()
        return caller

    async def stream_token(self, caller: Caller, filters: Mapping[str, Sequence[str]], seconds: int) -> StreamToken:
        """A token by which somebody else may follow, for so long, what `filters` select among the caller's tasks.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        expires_at = int(self._clock()) + seconds
        grant = StreamGrant(owner=caller.owner, key_id=caller.key_id, expires_at=expires_at, filters=filters)
        return StreamToken(await self._tokens.token(grant), expires_at)

    async def follower(self, token: str) -> Follower:
        """Who shows this stream token: a caller who may read. It dies with the key that it was asked for with.

        Raises:
            ProblemRaised: 401.
            BrokerUnavailable: Redis does not answer.
        """
        grant = await self._tokens.read(token, self._clock())
        if grant is None:
            raise _bad_token()
        asker = await self._keys.with_id(grant.key_id) if self._keys else ANYBODY
        if asker is None or asker.owner != grant.owner or Scope.READ not in asker.scopes:
            raise _bad_token()
        reader = Caller(owner=grant.owner, scopes=frozenset({Scope.READ}), key_id=grant.key_id)
        return Follower(reader, grant.filters)


def _key_in(headers: Headers) -> bytes:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if scheme.lower() == _BEARER else headers.get(b"x-api-key", b"")
