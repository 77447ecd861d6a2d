"""Batches with an idempotency key: what is done for the whole of one, before its items are queued and after."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import Any, NamedTuple

from app.batch_items import Item, Refused
from bridge import TaskClient, TaskHandle
from bridge.errors import IdempotencyKeyReused
from bridge.submit.claims import Claimed
from bridge.submit.idempotency import UNKNOWN, Digest, agree, most_items

AT_A_STRETCH = 64
"""Items that are read before others have their turn."""


class Submitted(NamedTuple):
    """What became of a batch: the outcomes of its items, as `TaskClient.submit_many` has them; the place in the feed
    before its first task, None when it is not known; whether nothing was queued, since all was before."""

    told: list[Any]
    cursor: str | None
    replayed: bool = False


class KeyedBatch:
    """A batch that has claimed its key. Made by `claimed_batch`."""

    def __init__(
        self, client: TaskClient, claimed: Claimed, digest: Digest, items: list[Item] | AsyncIterable[Item]
    ) -> None:
        self._client = client
        self._claimed = claimed
        self._digest = digest
        self._items = items
        self._broken_off = False

    def __repr__(self) -> str:
        return f"<KeyedBatch {self._claimed} {self._digest}>"

    async def submit(self, batch_id: str, *, atomic: bool) -> Submitted:
        """Queue what is missing.

        Raises:
            IdempotencyKeyReused: the key came before with other items. Those that come as they are read may have been
                queued up to the first that differs.
        """
        items = self._items if isinstance(self._items, list) else self._compared(self._items)
        claims, key = self._client.claims, self._claimed.key
        try:
            told = await self._client.submit_many(items, return_exceptions=True, batch=batch_id, atomic=atomic, key=key)
        except IdempotencyKeyReused:
            await claims.settle(self._claimed, UNKNOWN, ())
            raise
        await claims.settle(self._claimed, self._found, told)
        replayed = [one.replayed for one in told if isinstance(one, TaskHandle)]
        is_late = any(replayed) and not self._claimed.before  # the claim of the whole went before those of its items
        return Submitted(told, None if is_late else self._claimed.note, bool(replayed) and all(replayed))

    @property
    def _found(self) -> str:
        """The digest of the items, when all have been seen."""
        return UNKNOWN if self._broken_off else str(self._digest)

    async def _compared(self, items: AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
        """The items, compared with those that came before as far as these are known."""
        most = most_items(self._claimed.digest)
        async for item in items:
            if isinstance(item, Refused) and item.of_the_body:
                self._broken_off = True
            else:
                self._digest.add(item)
            if most is not None and self._digest.count > most:
                raise IdempotencyKeyReused(self._claimed.key)
            yield item
        if not agree(self._claimed.digest, self._found):
            raise IdempotencyKeyReused(self._claimed.key)


async def claimed_batch(
    client: TaskClient, key: str, items: Iterable[Item] | AsyncIterable[Item], cursor: str
) -> KeyedBatch:
    """Claim a key for a batch, with the feed's `cursor`. Of items that come as they are read nothing is known yet.

    Raises:
        IdempotencyKeyReused: it came before with something else.
        BrokerUnavailable: Redis did not answer.
    """
    digest = Digest()
    if isinstance(items, AsyncIterable):
        return KeyedBatch(client, await client.claims.claim(key, UNKNOWN, cursor), digest, items)
    known = await _all(items, digest)
    return KeyedBatch(client, await client.claims.claim(key, str(digest), cursor), digest, known)


async def _all(items: Iterable[Item], digest: Digest) -> list[Item]:
    known = []
    for item in items:
        known.append(item)
        digest.add(item)
        if len(known) % AT_A_STRETCH == 0:
            await asyncio.sleep(0)
    return known
