"""The hub: one reader of the live feed per process, any number of subscribers."""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from bridge.errors import BrokerUnavailable, PetioleError, SubscriberTooSlow, UnreadableBytes
from bridge.protocol.keys import Keys
from bridge.redis import Entry, Redis
from bridge.settings import BridgeSettings
from bridge.status import StatusUpdate

logger = logging.getLogger(__name__)
RECONNECT_SECONDS = 0.5
LINGER_SECONDS = 60.0
"""How long the hub reads on when nobody subscribes: connecting anew costs the next one more than that."""
DEFAULT_BUFFER = 256


class Subscriber:
    """One reader of one task's updates. Holds `limit` updates; a reader that lets more gather is dropped."""

    __slots__ = ("_dropped", "_limit", "_stale", "_updates", "_wake", "task_id")

    def __init__(self, task_id: str, limit: int) -> None:
        self.task_id = task_id
        self._limit = limit
        self._updates: deque[StatusUpdate] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._stale = False
        self._dropped = False

    def __repr__(self) -> str:
        return f"<Subscriber {self.task_id} waiting={len(self._updates)} stale={self._stale} dropped={self._dropped}>"

    def put(self, update: StatusUpdate) -> None:
        """Hand over an update; called by the hub."""
        if len(self._updates) >= self._limit:
            self._dropped = True
        else:
            self._updates.append(update)
        self._notify()

    def mark_stale(self) -> None:
        """Say that updates may have been missed; called by the hub."""
        self._stale = True
        self._notify()

    def take(self) -> list[StatusUpdate]:
        """All updates that wait.

        Raises:
            SubscriberTooSlow: more than the limit had gathered.
        """
        if self._dropped:
            raise SubscriberTooSlow(f"The reader of task {self.task_id!r} was more than {self._limit} updates behind.")
        updates = list(self._updates)
        self._updates.clear()
        return updates

    def was_stale(self) -> bool:
        """Whether the history must be read again; asking resets it."""
        stale, self._stale = self._stale, False
        return stale

    async def wait(self, timeout: float) -> bool:
        """Wait for something new; False when there was nothing for `timeout` seconds."""
        if self._has_something():
            return True
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = loop.call_later(timeout, self._notify)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None
        return self._has_something()

    def wake(self) -> None:
        """Make a reader that waits look up, though there is nothing new."""
        self._notify()

    def _has_something(self) -> bool:
        return bool(self._updates) or self._stale or self._dropped

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Hub:
    """Reads `petiole:live` on one connection and hands each update to the subscribers of its task."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        self._redis = redis
        self._key = Keys(settings.prefix).live
        self._cap = settings.live_limit
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._wanted = asyncio.Event()
        self._wanted_at = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings) -> AsyncIterator[Self]:
        """A hub that reads while anybody subscribes, whether Redis is there yet or not."""
        hub = cls(redis, settings)
        reader = asyncio.create_task(hub._read_for_ever(), name="hub")
        try:
            yield hub
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    def __len__(self) -> int:
        return sum(map(len, self._subscribers.values()))

    def __repr__(self) -> str:
        return f"<Hub subscribers={len(self)} tasks={len(self._subscribers)}>"

    @contextmanager
    def subscribe(self, task_id: str, *, limit: int = DEFAULT_BUFFER) -> Iterator[Subscriber]:
        """A subscriber that hears of every update from now on. Read the history after this, not before."""
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

    async def _read_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._read_while_wanted()
            except BrokerUnavailable as error:
                logger.warning("the live feed broke off, will read it again: %s", error)
                await asyncio.sleep(RECONNECT_SECONDS)
            except PetioleError:
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
        if self._subscribers:
            self._wanted_at = now
        return now - self._wanted_at < LINGER_SECONDS

    def _hand_out(self, entry: Entry) -> None:
        try:
            _, task_id, _, seq, _, text = entry  # names and values, in the order in which the scripts write them
            subscribers = self._subscribers.get(task_id.decode())
            update = StatusUpdate(task_id=task_id.decode(), seq=int(seq), text=text) if subscribers else None
        except ValueError as error:
            raise UnreadableBytes(f"not an entry of the live feed: {entry!r:.200}") from error
        if subscribers and update:
            for subscriber in subscribers:
                subscriber.put(update)

    def wake_all(self) -> None:
        """Make all readers that wait look up, for example since the process is about to stop."""
        for subscriber in self._all():
            subscriber.wake()

    def _mark_all_stale(self) -> None:
        for subscriber in self._all():
            subscriber.mark_stale()

    def _all(self) -> Iterator[Subscriber]:
        return itertools.chain.from_iterable(self._subscribers.values())
