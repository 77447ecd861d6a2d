"""Awaiting results: any number of tasks on one shared connection, each result as soon as it is stored."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.protocol.keys import RESULT_PREFIX, result_key
from bridge.protocol.result import READY_STATES, TaskMeta, read_meta
from bridge.redis import Redis, Subscriptions
from bridge.result_backend import ResultBackend

logger = logging.getLogger(__name__)
BATCH = 500
"""Tasks that are subscribed to, read or left in one round trip."""
RECONNECT_SECONDS = 0.5


class _Awaited:
    """One task that somebody awaits."""

    __slots__ = ("future", "waiters")

    def __init__(self) -> None:
        self.future: asyncio.Future[TaskMeta] = asyncio.get_running_loop().create_future()
        self.waiters = 0


class ResultWaiter:
    """Subscribes to a task's result before it reads it, so that no result falls between; leaves when nobody waits."""

    def __init__(self, redis: Redis, backend: ResultBackend) -> None:
        self._redis = redis
        self._backend = backend
        self._awaited: dict[str, _Awaited] = {}
        self._joining: list[str] = []
        self._leaving: list[str] = []
        self._work = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, backend: ResultBackend) -> AsyncIterator[Self]:
        """A waiter that connects when something is first awaited."""
        waiter = cls(redis, backend)
        serving = asyncio.create_task(waiter._serve_for_ever(), name="results")
        try:
            yield waiter
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    def __repr__(self) -> str:
        return f"<ResultWaiter awaited={len(self._awaited)}>"

    async def wait(self, task_id: str) -> TaskMeta:
        """The meta of a task once it has ended. Survives a lost connection; cancel it to give up.

        Raises:
            UnreadableBytes: what is stored is not what Celery stores.
        """
        awaited = self._awaited.get(task_id)
        if awaited is None:
            awaited = self._awaited[task_id] = _Awaited()
            self._joining.append(task_id)
            self._work.set()
        awaited.waiters += 1
        try:
            return await asyncio.shield(awaited.future)
        finally:
            awaited.waiters -= 1
            if not awaited.waiters:
                awaited.future.cancel()
                del self._awaited[task_id]
                self._leaving.append(task_id)
                self._work.set()

    async def _serve_for_ever(self) -> None:
        while True:
            await self._work.wait()
            try:
                async with self._redis.subscriptions() as subscriptions:
                    await self._serve(subscriptions)
            except* BrokerUnavailable as errors:
                logger.warning("results are awaited on a new connection: %s", errors.exceptions[0])
            await asyncio.sleep(RECONNECT_SECONDS)
            self._joining, self._leaving = list(self._awaited), []
            self._work.set()

    async def _serve(self, subscriptions: Subscriptions) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(subscriptions), name="hear results")
            while True:
                await self._work.wait()
                self._work.clear()
                await self._leave(subscriptions)
                await self._join(subscriptions)

    async def _join(self, subscriptions: Subscriptions) -> None:
        while self._joining:
            first, self._joining = self._joining[:BATCH], self._joining[BATCH:]
            batch = [task_id for task_id in dict.fromkeys(first) if task_id in self._awaited]
            await subscriptions.subscribe([result_key(task_id) for task_id in batch])
            for task_id, value in zip(batch, await self._backend.stored(batch), strict=True):
                if value is not None:
                    self._settle(task_id, value)

    async def _leave(self, subscriptions: Subscriptions) -> None:
        while self._leaving:
            first, self._leaving = self._leaving[:BATCH], self._leaving[BATCH:]
            # Not those that somebody awaits again: they may have been joined anew already.
            batch = [task_id for task_id in dict.fromkeys(first) if task_id not in self._awaited]
            await subscriptions.unsubscribe([result_key(task_id) for task_id in batch])

    async def _hear(self, subscriptions: Subscriptions) -> None:
        async for message in subscriptions.messages():
            self._settle(message.channel.removeprefix(RESULT_PREFIX), message.data)

    def _settle(self, task_id: str, value: bytes) -> None:
        awaited = self._awaited.get(task_id)
        if awaited is None or awaited.future.done():
            return
        try:
            meta = read_meta(value)
        except UnreadableBytes as error:
            awaited.future.set_exception(error)
            return
        if meta.state in READY_STATES:
            awaited.future.set_result(meta)
