"""Awaiting results: any number of tasks on one shared connection, each result as soon as it is stored."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from bridge.alongside import alongside
from bridge.batching import anew, settle
from bridge.errors import BrokerUnavailable, ClientClosed, UnreadableBytes
from bridge.lifetime import Lifetime
from bridge.protocol.result import READY_STATES, TaskMeta, read_meta
from bridge.redis import Redis, Subscriptions
from bridge.results.backend import ResultBackend
from bridge.results.late_check import LateCheck

logger = logging.getLogger(__name__)
BATCH = 500
"""Tasks that are subscribed to, read or left in one round trip."""
RECONNECT_SECONDS = 0.5
MOST_PATIENCE = 32
"""How many times as long as any other command a read may take: large results come slowly on a slow line."""


Future = asyncio.Future[TaskMeta]
ValueT = TypeVar("ValueT")


class ResultWaiter:
    """Subscribes to a task's result before it reads it, so that no result falls between; leaves when nobody waits."""

    def __init__(self, redis: Redis, backend: ResultBackend, late_check: LateCheck) -> None:
        self._redis = redis
        self._backend = backend
        self._late_check = late_check
        self._awaited: dict[str, list[Future]] = {}
        self._joining: list[str] = []
        self._leaving: list[str] = []
        self._work = asyncio.Event()
        self._lifetime = Lifetime()
        self._away: Exception | None = None  # why nothing is heard of results now
        self._late = 0
        """How often in a row they were not read in time: then fewer are read at once, and awaited for longer."""

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, backend: ResultBackend) -> AsyncIterator[Self]:
        """A waiter that connects when something is first awaited. Whoever waits at the end gets `ClientClosed`."""
        async with LateCheck.open(redis, backend.keys) as late_check:
            waiter = cls(redis, backend, late_check)
            waiter._lifetime.begin()
            async with alongside(waiter._serve_for_ever(), name="results", ended=waiter._close):
                yield waiter

    def __repr__(self) -> str:
        return f"<ResultWaiter awaited={len(self._awaited)}>"

    async def wait(self, task_id: str) -> TaskMeta:
        """The meta of a task once it has ended. Survives a lost connection; cancel it to give up.

        Raises:
            UnreadableBytes: what is stored is not what Celery stores, or the server refuses to tell of results.
            ClientClosed: nobody hears of results any more.
            WrongLoop: they are heard of in another loop.
        """
        loop = self._lifetime.check()
        futures = self._awaited.setdefault(task_id, [])
        if not futures:
            self._joining.append(task_id)
            self._work.set()
        future: Future = loop.create_future()
        futures.append(future)
        try:
            return await future
        finally:
            if future in self._awaited.get(task_id, ()):  # given up
                self._awaited[task_id].remove(future)
                if not self._awaited[task_id]:
                    self._leave(task_id)

    async def in_time(
        self, value: Awaitable[ValueT], timeout: float | None, *, of: str, task_ids: Sequence[str]
    ) -> ValueT:
        """`value`, which comes of the results of `task_ids`, if it is there within `timeout` seconds.

        Raises:
            TimeoutError: it is not; `of` says what has not ended.
            BrokerUnavailable: it is not, and the result backend does not answer.
            UnreadableBytes: it is not, and the key of a result holds something else.

        That it is late is all that is said when there are too many late ones to be looked at.
        """
        try:
            async with asyncio.timeout(timeout):
                return await value
        except TimeoutError as error:
            if self._away:
                raise anew(self._away) from self._away.__cause__
            await self._late_check.ask(task_ids)
            raise TimeoutError(f"{of} has not ended within {timeout} s.") from error

    def _leave(self, task_id: str) -> None:
        del self._awaited[task_id]
        self._leaving.append(task_id)
        self._work.set()

    def _close(self) -> None:
        self._lifetime.closed = True
        self._give_up(ClientClosed())

    async def _serve_for_ever(self) -> None:
        while True:
            await self._work.wait()
            try:
                async with self._redis.subscriptions() as subscriptions:
                    await self._serve(subscriptions)
            except* BrokerUnavailable as errors:
                self._away = errors.exceptions[0]
                logger.warning("results are awaited on a new connection: %s", self._away)
            except* UnreadableBytes as errors:  # the server refuses to subscribe or to read, and would again
                self._give_up(errors.exceptions[0])
            except* Exception as errors:  # nobody may wait for a loop that has ended, now or later
                logger.exception("results cannot be awaited, will try again")
                self._give_up(errors.exceptions[0])
            if _is_being_cancelled():  # a task group of Python 3.11 drops that if something in it breaks as well
                raise asyncio.CancelledError
            await asyncio.sleep(RECONNECT_SECONDS)
            self._joining, self._leaving = list(self._awaited), []
            self._work.set()

    def _give_up(self, error: Exception) -> None:
        for task_id in list(self._awaited):
            for future in self._awaited.pop(task_id):
                settle(future, anew(error))

    async def _serve(self, subscriptions: Subscriptions) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(subscriptions.hear(self._heard), name="hear results")
            while True:
                await self._work.wait()
                await asyncio.sleep(0)  # whoever has just got a result goes on first
                self._work.clear()
                await self._unsubscribe(subscriptions)
                await self._subscribe(subscriptions)

    async def _subscribe(self, subscriptions: Subscriptions) -> None:
        while self._joining:
            size = max(BATCH >> self._late, 1)
            first, self._joining = self._joining[:size], self._joining[size:]
            batch = [task_id for task_id in dict.fromkeys(first) if task_id in self._awaited]
            await subscriptions.subscribe([self._backend.keys.result(task_id) for task_id in batch])
            for task_id, value in zip(batch, await self._stored(batch), strict=True):
                if value is not None:
                    self._settle(task_id, value)
            self._away = None
        self._late = 0

    async def _stored(self, task_ids: Sequence[str]) -> Sequence[bytes | None]:
        try:
            return await self._backend.stored_apart(task_ids, patience=min(2**self._late, MOST_PATIENCE))
        except BrokerUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                self._late += 1
            raise

    async def _unsubscribe(self, subscriptions: Subscriptions) -> None:
        while self._leaving:
            first, self._leaving = self._leaving[:BATCH], self._leaving[BATCH:]
            # Not those that somebody awaits again: they may have been joined anew already.
            batch = [task_id for task_id in dict.fromkeys(first) if task_id not in self._awaited]
            await subscriptions.unsubscribe([self._backend.keys.result(task_id) for task_id in batch])

    def _heard(self, channel: str, value: bytes) -> None:
        self._settle(self._backend.keys.task_of(channel), value)

    def _settle(self, task_id: str, value: bytes) -> None:
        if task_id not in self._awaited:
            return
        answer = _read(value)
        if isinstance(answer, UnreadableBytes) or answer.state in READY_STATES:
            for future in self._awaited[task_id]:
                settle(future, anew(answer) if isinstance(answer, UnreadableBytes) else answer)
            self._leave(task_id)  # last, so that whoever waited goes on before this connection has work


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _read(value: bytes) -> TaskMeta | UnreadableBytes:
    try:
        return read_meta(value)
    except UnreadableBytes as error:
        return error
