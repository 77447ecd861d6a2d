"""Micro-batching: all calls of one moment leave in one round trip, and each caller awaits its own answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from bridge.errors import PublisherBusy

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


class Batcher(Generic[Item, Answer]):
    """Sends what callers hand in, in batches of `size` at the most.

    While one batch is on its way the next one gathers; nothing waits for a clock. `limit` bounds the items that wait:
    beyond it `call` raises `PublisherBusy` at once.
    """

    def __init__(self, flush: Flush[Item, Answer], *, size: int, limit: int) -> None:
        self._flush = flush
        self._size = size
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Batcher waiting={len(self._waiting)} closed={self._closed}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sends what waits, then refuses more."""
        self._closed = True
        if self._sender is not None:
            await asyncio.wait([self._sender])

    def call(self, item: Item) -> Awaitable[Answer]:
        """Put `item` in line; await the answer, which may be an error of the flush.

        Raises:
            PublisherBusy: `limit` items wait already, or the batcher is closed.
        """
        if len(self._waiting) >= self._limit or self._closed:
            raise PublisherBusy(len(self._waiting))
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="batcher")
        return future

    async def _send(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), self._size)
                batch = [self._waiting.popleft() for _ in range(count)]
                answers = await self._answers([item for item, _ in batch])
                for (_, future), answer in zip(batch, answers, strict=True):
                    _settle(future, answer)
        finally:
            self._sender = None

    async def _answers(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        try:
            return await self._flush(items)
        except Exception as error:  # each caller of this batch gets it
            return [error] * len(items)


def _settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
