"""The hub: one reader of the live feed per process, any number of subscribers."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from bridge.alongside import alongside
from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.follow.feed_entry import FeedEntry, Selection, read_entries, tasks_of
from bridge.follow.subscriber import Buffer, Listener, Subscriber
from bridge.lifetime import Lifetime
from bridge.protocol.keys import Keys
from bridge.redis import Entry, Redis
from bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)
RECONNECT_SECONDS = 0.5
LINGER_SECONDS = 60.0
"""How long the hub reads on when nobody subscribes: connecting anew costs the next one more than that."""
DEFAULT_BUFFER = 256


class Hub:
    """Reads `petiole:live` on one connection and hands each update to whoever subscribed to its task or its like."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self._key = Keys(settings.prefix).live
        self._cap = settings.live_limit
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._listeners: set[Listener] = set()
        self._wanted = asyncio.Event()
        self._wanted_at = 0.0
        self._lifetime = Lifetime()

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A hub that reads while anybody subscribes, whether Redis is there yet or not. At the end it ends them too."""
        hub = cls(redis, settings)
        hub._lifetime.begin()
        async with alongside(hub._read_for_ever(), name="hub", ended=hub._close):
            yield hub

    def __len__(self) -> int:
        return sum(map(len, self._subscribers.values())) + len(self._listeners)

    def __repr__(self) -> str:
        return f"<Hub subscribers={len(self)} tasks={len(self._subscribers)}>"

    @contextmanager
    def subscribe(self, task_id: str, *, limit: int = DEFAULT_BUFFER) -> Iterator[Subscriber]:
        """A subscriber that hears of every update of a task from now on. Read the history after this, not before.

        Raises:
            ClientClosed, WrongLoop: the hub has ended, or belongs to another loop.
        """
        self._lifetime.check()
        subscriber = Subscriber(task_id, limit)
        self._subscribers.setdefault(task_id, set()).add(subscriber)
        self._wanted.set()
        try:
            yield subscriber
        finally:
            others = self._subscribers[task_id]
            others.discard(subscriber)
            if not others:
                del self._subscribers[task_id]

    @contextmanager
    def listen(self, selection: Selection, *, limit: int = DEFAULT_BUFFER) -> Iterator[Listener]:
        """A subscriber that hears of every update of every task selected. Read the feed after this, not before.

        Raises:
            ClientClosed, WrongLoop: the hub has ended, or belongs to another loop.
        """
        self._lifetime.check()
        listener = Listener(selection, limit)
        self._listeners.add(listener)
        self._wanted.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _close(self) -> None:
        self._lifetime.closed = True
        for subscriber in self._all():
            subscriber.end()

    async def _read_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._read_while_wanted()
            except BrokerUnavailable as error:
                logger.warning("the live feed broke off, will read it again: %s", error)
                await asyncio.sleep(RECONNECT_SECONDS)
            except Exception:  # also a mistake of ours: followers of a hub that has ended by it would wait for ever
                logger.exception("the live feed cannot be read, will try again")
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_while_wanted(self) -> None:
        """Read until nobody has subscribed for a while: a process that only submits must not pay for all updates."""
        async with self._redis.stream(self._key, self._cap) as stream:
            self._mark_all_stale()
            while self._is_wanted():
                entries, gap = await stream.read()
                for entry in entries:
                    self._hand_out(entry)
                if gap:
                    logger.warning("the live feed's cap was faster than this reader; subscribers read their histories")
                    self._mark_all_stale()
            self._wanted.clear()

    def _is_wanted(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._subscribers or self._listeners:
            self._wanted_at = now
        return now - self._wanted_at < LINGER_SECONDS

    def _hand_out(self, entry: Entry) -> None:
        try:
            if self._listeners or not self._subscribers.keys().isdisjoint(tasks_of(entry[1])):
                for read in read_entries(entry):
                    self._hand_to(self._subscribers.get(read.update.task_id, ()), read)
        except (ValueError, IndexError) as error:
            raise UnreadableBytes(f"not an entry of the live feed: {entry!r:.200}") from error

    def _hand_to(self, subscribers: Iterable[Subscriber], read: FeedEntry) -> None:
        for subscriber in subscribers:
            subscriber.put(read.update)
        for listener in self._listeners:
            if listener.selection.has(read):
                listener.put(read)

    def wake_all(self) -> None:
        """Make all readers that wait look up, for example since the process is about to stop."""
        for subscriber in self._all():
            subscriber.wake()

    def _mark_all_stale(self) -> None:
        for subscriber in self._all():
            subscriber.mark_stale()

    def _all(self) -> Iterator[Buffer[Any]]:
        return itertools.chain(itertools.chain.from_iterable(self._subscribers.values()), self._listeners)
