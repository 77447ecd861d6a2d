"""Micro-batching: all calls of one moment leave in one round trip, and each caller awaits its own answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import ceil
from types import TracebackType
from typing import Generic, Self, TypeVar

from bridge.errors import BrokerUnavailable, PublisherBusy
from bridge.lifetime import Lifetime

Item = TypeVar("Item")
Answer = TypeVar("Answer")
ErrorT = TypeVar("ErrorT", bound=Exception)
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


class Batcher(Generic[Item, Answer]):
    """Sends what callers hand in, in batches of `size` at the most.

    While a batch is on its way the next one gathers; nothing waits for a clock. `limit` bounds the items that wait:
    beyond it `call` raises `PublisherBusy` at once. A call that is cancelled while it waits is not sent. With more than
    one of `lanes`, that many batches may be on the way at once, so that the server works while the next one is made
    ready; batches may then overtake each other. When a batch is not answered in time, what has waited all that time is
    refused with it, lest each of many has to wait for the time of all before it.
    """

    SPLIT = 16
    """Items that must wait before they are shared among lanes: fewer are cheaper together."""

    def __init__(self, flush: Flush[Item, Answer], *, size: int, limit: int, lanes: int = 1) -> None:
        self._flush = flush
        self._size = size
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._lanes = lanes
        self._lanes_used = 0
        self._on_their_way = 0
        self._senders: set[asyncio.Task[None]] = set()
        self.lifetime = Lifetime()

    def __repr__(self) -> str:
        return f"<Batcher waiting={len(self._waiting)} on_their_way={self._on_their_way} closed={self.lifetime.closed}>"

    async def __aenter__(self) -> Self:
        self.lifetime.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sends what waits, then refuses more."""
        self.lifetime.closed = True
        if self._senders:
            await asyncio.wait(self._senders)

    def call(self, item: Item) -> asyncio.Future[Answer]:
        """Put `item` in line; await the answer, which may be an error of the flush.

        Raises:
            PublisherBusy: `limit` items wait already.
            ClientClosed: the batcher is closed.
            WrongLoop: it belongs to another loop.
        """
        loop = self.lifetime.check()
        if len(self._waiting) >= self._limit:
            raise PublisherBusy(len(self._waiting))
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if not self._lanes_used or (self._lanes_used < self._lanes and len(self._waiting) >= self.SPLIT):
            self._lanes_used += 1
            sender = asyncio.create_task(self._send(), name="batcher")
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return future

    async def _send(self) -> None:
        try:
            while self._waiting:
                if not (batch := self._take()):
                    continue
                last = self._waiting[-1][1] if self._waiting else None
                self._on_their_way += 1
                answers = await self._answers([item for item, _ in batch])
                self._on_their_way -= 1
                for (_, future), answer in zip(batch, answers, strict=True):
                    settle(future, answer)
                if last and _is_late(answers[0]):
                    self._refuse_up_to(last)
        finally:
            self._lanes_used -= 1  # not in a done callback: what is handed in before that would find no lane

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        """What the next batch carries: all that waits, or this lane's share of it."""
        count = len(self._waiting)
        if count >= self.SPLIT:
            count = ceil(count / (self._lanes - self._on_their_way))
        next_one = self._waiting.popleft
        return [call for _ in range(min(count, self._size)) if not (call := next_one())[1].cancelled()]

    def _refuse_up_to(self, last: asyncio.Future[Answer]) -> None:
        if not any(future is last for _, future in self._waiting):  # another lane has taken it
            return
        future = None
        while future is not last:
            _, future = self._waiting.popleft()
            settle(future, BrokerUnavailable("it has not answered in time what was sent before", undone=True))

    async def _answers(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        try:
            return await self._flush(items)
        except Exception as error:  # each caller of this batch gets one like it
            return [anew(error) for _ in items]


def _is_late(answer: object) -> bool:
    return isinstance(answer, BrokerUnavailable) and isinstance(answer.__cause__, TimeoutError)


def anew(error: ErrorT) -> ErrorT:
    """An error like this one, with the same attributes and cause, for one of many who get it.

    One object that is raised in many places keeps the frames of all of them, and what these hold. One that Python code
    cannot make is given to all, as it is.
    """
    kind = type(error)
    try:  # not by an __init__ of our own or redis-py's, which takes other arguments than it keeps
        fresh = kind(*error.args) if kind.__module__ == "builtins" else kind.__new__(kind, *error.args)
    except TypeError:
        return error
    fresh.__dict__.update(error.__dict__)
    fresh.__cause__, fresh.__context__ = error.__cause__, error.__context__
    fresh.__suppress_context__ = error.__suppress_context__
    return fresh.with_traceback(error.__traceback__)


def settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    """Give a future its answer, or the error in its place; not when whoever awaited it has given up."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
