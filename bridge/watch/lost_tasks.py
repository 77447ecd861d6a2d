"""The search for lost tasks: those whose worker has gone, and their message with it.

That happens to a task that its worker acknowledged before it ran it (Celery's default), when that worker is killed. A
task that is acknowledged late is not lost: its message is handed to another worker.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.protocol.commands import Command
from bridge.protocol.control import MAX_WORKERS, Audience
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.remote.mailbox import Mailbox, Wait
from bridge.remote.queues import Queues
from bridge.watch.whereabouts import Whereabouts

WITH_A_WORKER = frozenset({Status.RECEIVED, Status.RUNNING})
"""Statuses of tasks that a worker has; in all others the message waits somewhere, or is on its way."""
ACTIVE = Command(method="active", arguments={"safe": True})
ANSWER_SECONDS = 1.0
"""How long workers are waited for to say what they run. One that does not answer in time is taken to be busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A task of which nothing was heard for long, the worker that had it, and the queue it came from."""

    task_id: str
    worker: str
    queue: str


class Search:
    """Finds lost tasks. `pause` (seconds) is longer than a worker holds a message that it has not noted down yet."""

    def __init__(self, store: StatusStore, whereabouts: Whereabouts, mailbox: Mailbox, queues: Queues) -> None:
        self._store = store
        self._whereabouts = whereabouts
        self._mailbox = mailbox
        self._queues = queues
        self._silence_ms = int(store.settings.lost_after * 1000)
        self.pause = 2.0

    @property
    def silence_ms(self) -> int:
        """How long a worker must have been silent, and how long somebody must have listened to know."""
        return self._silence_ms

    async def lost(self, now_ms: int) -> list[News]:
        """News for each task that is lost, as of `now_ms`; whoever reads it drops it when there was other news since.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        suspects = await self._suspects(now_ms)
        missing = await self._without_message(await self._without_worker(suspects, now_ms))
        if missing:
            await asyncio.sleep(self.pause)
            missing = await self._without_message(missing)
        return [_news(one, now_ms) for one in missing]

    async def _suspects(self, now_ms: int) -> list[Suspect]:
        found = []
        async for page in self._store.open_tasks(quiet_since=now_ms - self._silence_ms):
            rows = await self._store.peek(page, ("status", "worker", "queue"))
            for task_id, (status, worker, queue) in zip(page, rows, strict=True):
                if status in WITH_A_WORKER and worker and queue:
                    found.append(Suspect(task_id=task_id, worker=worker, queue=queue))
        return found

    async def _without_worker(self, suspects: Sequence[Suspect], now_ms: int) -> list[Suspect]:
        if not suspects:
            return []
        heard_at = {worker.hostname: worker.heard_at for worker in await self._queues.workers(now_ms)}
        silent = {name for name, at in heard_at.items() if now_ms - at >= self._silence_ms}
        # A worker that came back by the same name is not silent, but knows nothing of what it had.
        running = await self._running(sorted({one.worker for one in suspects} & heard_at.keys() - silent))
        return [
            one for one in suspects if one.worker in silent or one.task_id not in running.get(one.worker, [one.task_id])
        ]

    async def _running(self, workers: Sequence[str]) -> dict[str, Collection[str]]:
        """What those of the workers run that answer."""
        if not workers:
            return {}
        audience = Audience(destination=workers[:MAX_WORKERS])
        replies = await self._mailbox.call(ACTIVE, audience, Wait(timeout=ANSWER_SECONDS))
        return {
            name: {str(one.get("id")) for one in tasks} for name, tasks in replies.items() if isinstance(tasks, list)
        }

    async def _without_message(self, tasks: Sequence[Suspect]) -> list[Suspect]:
        if not tasks:
            return []
        present = await self._whereabouts.present({one.task_id: one.queue for one in tasks})
        return [one for one in tasks if one.task_id not in present]


def _news(one: Suspect, at_ms: int) -> News:
    error = {"type": "WorkerLostError", "message": f"{one.worker} had the task, and nobody has it now"}
    return News(task_id=one.task_id, status=Status.LOST, at_ms=at_ms, swept=True, details={"error": error})
