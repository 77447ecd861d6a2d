"""Reading a stream as it grows."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self, cast

from redis import asyncio as aioredis

from bridge.redis.translation import translated

Entry = tuple[bytes, Sequence[bytes]]
"""An entry of a stream: its id, and names and values of its fields, in turn."""
BLOCK_SECONDS = 5.0
"""How long one read waits; a stop is noticed at once all the same, since the read is cancelled."""


class StreamReader:
    """Reads a capped stream entry by entry and knows when the cap took some away unread."""

    COUNT = 1_000
    """Entries that one read takes at the most."""

    def __init__(self, client: aioredis.Redis, key: str, last_id: bytes, cap: int) -> None:
        self._client = client
        self._key = key
        self._last_id = last_id
        self._suspicious = min(self.COUNT, cap)
        # As they come: redis-py would make a dict of each entry, most of which nobody here waits for.
        client.set_response_callback("XREAD", _as_it_comes)

    @classmethod
    async def at_end(cls, client: aioredis.Redis, key: str, cap: int) -> Self:
        """A reader of what is added from now on."""
        with translated():
            newest = cast("list[tuple[bytes, Any]]", await client.xrevrange(key, count=1))
        return cls(client, key, newest[0][0] if newest else b"0-0", cap)

    async def read(self) -> tuple[list[Entry], bool]:
        """The entries added since the last call, and whether the cap took some away before they could be read.

        Waits for entries up to `BLOCK_SECONDS`, then returns none. It may cry wolf about the cap, never the reverse.
        """
        before = self._last_id
        with translated():
            async with asyncio.timeout(2 * BLOCK_SECONDS):
                reply = cast(
                    "list[tuple[bytes, list[Entry]]] | None",
                    await self._client.xread({self._key: before}, count=self.COUNT, block=int(BLOCK_SECONDS * 1000)),
                )
        entries = reply[0][1] if reply else []
        if entries:
            self._last_id = entries[-1][0]
        gap = len(entries) >= self._suspicious and await self._starts_after(before)
        return [entry for entry in entries if entry[1]], gap

    async def _starts_after(self, entry_id: bytes) -> bool:
        with translated():
            oldest = cast("list[tuple[bytes, Any]]", await self._client.xrange(self._key, count=1))
        return bool(oldest) and _order(oldest[0][0]) > _order(entry_id)


def _as_it_comes(response: Any, **_options: Any) -> Any:
    return response


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
