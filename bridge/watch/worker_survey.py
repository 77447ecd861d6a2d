"""Asks workers what their heartbeats do not say: which queues they take tasks from, and how large their pools are."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bridge.protocol.commands import Command
from bridge.protocol.control import ACTIVE_QUEUES, queues_of
from bridge.remote.asking import Asked, Asker, pid_of
from bridge.remote.mailbox import Replies
from bridge.remote.queues import WorkerStatus

STATS = Command(method="stats")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surveyed(Asked):
    """What a process told, and which queues were paused at that time."""

    paused: Set[str]
    told: Mapping[str, Any]


class WorkerSurvey(Asker[_Surveyed]):
    """Knows what workers told. They are asked also when a queue was paused or resumed."""

    async def ask(self) -> int:
        """Ask the workers that are due, forget those that went, and store what is known; of how many workers.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        now_ms, paused = self._clock_ms(), await self._queues.paused()
        online = await self._online(now_ms)
        due = self._due(online, now_ms, lambda asked: asked.paused == paused)
        self._remember(await self._survey(due, now_ms, paused) if due else {}, online)
        known = {name: asked.told for name, asked in self._asked.items() if asked.told}
        return await self._store(self._keys.survey, known)

    async def _survey(self, workers: Sequence[WorkerStatus], now_ms: int, paused: Set[str]) -> dict[str, _Surveyed]:
        queues, stats = await asyncio.gather(self._replies(ACTIVE_QUEUES, workers), self._replies(STATS, workers))
        return {
            worker.hostname: _Surveyed(
                pid=pid_of(worker),
                at_ms=now_ms,
                replied=worker.hostname in queues and worker.hostname in stats,
                paused=paused,
                told={**self._told(worker), **_queues(queues, worker.hostname), **_pool(stats, worker.hostname)},
            )
            for worker in workers
        }

    def _told(self, worker: WorkerStatus) -> Mapping[str, Any]:
        before = self._before(worker)
        return before.told if before else {}


def _queues(replies: Replies, worker: str) -> dict[str, Any]:
    names = queues_of(replies.get(worker))
    return {} if names is None else {"queues": sorted(names)}


def _pool(replies: Replies, worker: str) -> dict[str, Any]:
    reply = replies.get(worker)
    pool = reply.get("pool") if isinstance(reply, dict) else None
    size = pool.get("max-concurrency") if isinstance(pool, dict) else None
    return {"pool_size": size} if type(size) is int else {}
