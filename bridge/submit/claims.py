"""Claims of idempotency keys by what is more than one task: a batch, or a replay of many."""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Self

from bridge.errors import BrokerUnavailable, IdempotencyKeyReused, PetioleError
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.idempotency import UNKNOWN, Claim, agree


class Claimed(NamedTuple):
    """A key that is claimed, and what was noted by the first who claimed it; `before` says that it was another one."""

    key: str
    digest: str
    note: str
    before: bool


class Claims:
    """The idempotency keys of one owner. They are the same keys that single tasks claim in `accept.lua`.

    Every method raises `BrokerUnavailable` when Redis does not answer, unless it says otherwise.
    """

    def __init__(self, redis: Redis, settings: BridgeSettings, owner: str = "") -> None:
        self._redis = redis
        self._settings = settings
        self._owner = owner

    def __repr__(self) -> str:
        return f"<Claims owner={self._owner!r}>"

    def of(self, owner: str) -> Self:
        """The keys of another owner."""
        return type(self)(self._redis, self._settings, owner)

    async def claim(self, key: str, digest: str, note: str) -> Claimed:
        """Claim a key for what has this digest, which may be `UNKNOWN`; a note of the first one is kept with it.

        Raises:
            IdempotencyKeyReused: the key came before with something else.
        """
        held = await self._hold(key, f"{digest}  {note}")
        if held is None:
            return Claimed(key, digest, note, before=False)
        said, _, note = held.split(" ", 2)
        if not agree(said, digest):
            raise IdempotencyKeyReused(key)
        return Claimed(key, said, note, before=True)

    async def settle(self, claimed: Claimed, digest: str, outcomes: Sequence[object]) -> None:
        """Once it is known what became of all: a key with which nothing was queued is free again, and a digest that was
        not known is kept. Does nothing when Redis does not answer: then each task's own claim holds."""
        with contextlib.suppress(BrokerUnavailable):
            if any(not isinstance(one, PetioleError) or isinstance(one, BrokerUnavailable) for one in outcomes):
                if claimed.digest == UNKNOWN != digest:
                    await self._keep(claimed.key, f"{digest}  {claimed.note}")
            elif not claimed.before:
                await self._free(claimed.key)

    async def task_of(self, claim: Claim) -> str | None:
        """The task that was accepted with the same claim before, if one was."""
        held = await self._held(claim.name)
        said, _, task_id = held.split(" ", 2) if held else ("", "", "")
        return task_id if said == claim.fingerprint else None

    async def _hold(self, key: str, value: str) -> str | None:
        """Set a key that is not there; the value of one that is."""
        name = self._name(key)
        is_set, held = await self._redis.transaction(
            ("SET", name, value, "NX", "EX", self._settings.idempotency_ttl), ("GET", name)
        )
        return None if is_set else held.decode()

    async def _keep(self, key: str, value: str) -> None:
        await self._redis.execute("SET", self._name(key), value, "XX", "KEEPTTL")

    async def _free(self, key: str) -> None:
        await self._redis.execute("DEL", self._name(key))

    async def _held(self, key: str) -> str | None:
        held: bytes | None = await self._redis.execute("GET", self._name(key))
        return held.decode() if held else None

    def _name(self, key: str) -> str:
        return Keys(self._settings.prefix).idempotency(self._owner, key)
