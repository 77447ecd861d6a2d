"""Asks the workers that announce nothing for the names of their task types, now and then."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.protocol import commands
from bridge.protocol.catalog import names_of
from bridge.remote.asking import Asked, Asker, pid_of
from bridge.remote.queues import WorkerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told(Asked):
    """The names that a process told, so far."""

    names: tuple[str, ...]


class RegisteredNames(Asker[_Told]):
    """Knows the names that silent workers told."""

    async def learn(self) -> int:
        """Ask the workers that appeared, forget those that went, and store what is known; how many names.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        now_ms = self._clock_ms()
        silent = await self._silent(now_ms)
        due = self._due(silent, now_ms)
        self._remember(await self._ask(due, now_ms) if due else {}, silent)
        return await self._store(
            self._keys.registered, sorted({name for told in self._asked.values() for name in told.names})
        )

    async def _silent(self, now_ms: int) -> list[WorkerStatus]:
        online = await self._online(now_ms)
        keys = (self._keys.announcement(worker.hostname) for worker in online)
        announced = await asyncio.gather(*(self._redis.execute("EXISTS", key) for key in keys))
        return [worker for worker, tells in zip(online, announced, strict=True) if not tells]

    async def _ask(self, workers: Sequence[WorkerStatus], now_ms: int) -> Mapping[str, _Told]:
        told = names_of(await self._replies(commands.registered(()), workers))
        return {
            worker.hostname: _Told(
                pid=pid_of(worker),
                at_ms=now_ms,
                replied=worker.hostname in told,
                names=self._names(worker, told),
            )
            for worker in workers
        }

    def _names(self, worker: WorkerStatus, told: Mapping[str, list[str]]) -> tuple[str, ...]:
        before = self._before(worker)
        return tuple(told.get(worker.hostname, before.names if before else ()))
