"""Following many tasks at once: the live feed from any place in it, then what happens, without a gap or a double."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from bridge.follow.feed_entry import FeedEntry, Selection, place, read_entries, start_after
from bridge.follow.hub import DEFAULT_BUFFER, Hub
from bridge.follow.subscriber import Listener
from bridge.protocol.keys import Keys
from bridge.reading import readable
from bridge.redis import Redis

BEGINNING = "0-0"
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReset:
    """Updates up to `cursor` are not kept any more, or were not asked for: read the tasks as they are, then go on."""

    cursor: str


FeedStep = FeedEntry | FeedReset


class FeedFollower:
    """Walks along the feed. Made by `Feed.following`."""

    def __init__(self, redis: Redis, key: str, listener: Listener, cursor: str | None) -> None:
        self._redis = redis
        self._key = key
        self._listener = listener
        self.ended = False
        """The feed has no end."""
        self.cursor = cursor
        """Place of the last step; None before the first for who starts at the present."""

    async def catch_up(self) -> list[FeedStep]:
        """What was missed since the cursor. Without a cursor: a reset at the present end of the feed.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        self._listener.was_stale()
        if self.cursor is None or await self._is_cut_off(self.cursor):
            self.cursor = await end_of(self._redis, self._key)
            return [FeedReset(cursor=self.cursor)]
        steps: list[FeedStep] = []
        while page := await self._redis.execute("XRANGE", self._key, start_after(self.cursor), "+", "COUNT", _PAGE):
            for entries in readable(page, _entries, self._key):
                steps.extend(entry for entry in self._fresh(entries) if self._listener.selection.has(entry))
            self.cursor = page[-1][0].decode()  # also behind what was passed over
        return steps

    async def next(self, timeout: float) -> list[FeedStep]:
        """The steps that follow; none when there were none for `timeout` seconds.

        Raises:
            SubscriberTooSlow: the reader was dropped; follow again from `cursor`.
        """
        if not await self._listener.wait(timeout):
            return []
        entries = self._listener.take()
        if not self._listener.was_stale():
            return list(self._fresh(entries))
        return await self._listener.caught_up(self.catch_up)

    def _fresh(self, entries: Sequence[FeedEntry]) -> Iterator[FeedEntry]:
        for entry in entries:
            if self.cursor is None or place(entry.cursor) > place(self.cursor):
                self.cursor = entry.cursor
                yield entry

    async def _is_cut_off(self, cursor: str) -> bool:
        """Whether entries after the cursor may have been dropped. May cry wolf, never the reverse.

        A cursor beyond the end is of a feed that was there before, as when Redis has lost what it had.
        """
        if place(cursor) > place(await end_of(self._redis, self._key)):
            return True
        oldest = await self._redis.execute("XRANGE", self._key, "-", "+", "COUNT", 1)
        if not oldest or place(oldest[0][0].decode())[:2] <= place(cursor)[:2]:
            return False
        said = await self._redis.execute("XINFO", "STREAM", self._key)
        state = dict(zip(said[::2], said[1::2], strict=True))
        return bool(state.get(b"entries-added") != state[b"length"])  # Redis 6.2 does not count what was added


def _entries(entry: tuple[bytes, Mapping[bytes, bytes]]) -> list[FeedEntry]:
    return read_entries((entry[0], [part for pair in entry[1].items() for part in pair]))


async def end_of(redis: Redis, key: str) -> str:
    """The cursor of the last entry of a feed."""
    newest = await redis.execute("XREVRANGE", key, "+", "-", "COUNT", 1)
    return newest[0][0].decode() if newest else BEGINNING


class Feed:
    """The live feed, to follow many tasks by."""

    def __init__(self, redis: Redis, hub: Hub, prefix: str, owner: str = "") -> None:
        self._redis = redis
        self._hub = hub
        self._prefix = prefix
        self._key = Keys(prefix).live
        self._owner = owner

    def of(self, owner: str) -> Self:
        """The feed of one owner's tasks; of all tasks for ``""``."""
        return type(self)(self._redis, self._hub, self._prefix, owner)

    async def end(self) -> str:
        """The cursor after which comes what is not in the feed yet. Raises `BrokerUnavailable`."""
        return await end_of(self._redis, self._key)

    @contextmanager
    def following(
        self, selection: Selection, cursor: str | None = None, *, limit: int = DEFAULT_BUFFER
    ) -> Iterator[FeedFollower]:
        """A follower of the feed after the entry `cursor`: first `catch_up`, then `next`."""
        if self._owner:
            selection = replace(selection, owner=self._owner)
        with self._hub.listen(selection, limit=limit) as listener:
            yield FeedFollower(self._redis, self._key, listener, cursor)
