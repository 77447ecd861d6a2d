"""Pausing, resuming and purging queues."""

import asyncio
import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from bridge.errors import QueueNotFound
from bridge.naming import broker_keys
from bridge.protocol import commands
from bridge.protocol.control import ACTIVE_QUEUES, ALL, MAX_WORKERS, Audience, queues_of
from bridge.protocol.delivery import task_of_message
from bridge.protocol.keys import Keys
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.reading import texts
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.remote.mailbox import Mailbox, Replies, Wait
from bridge.remote.precautions import Precautions
from bridge.remote.queues import Queues, WorkerStatus
from bridge.remote.withdrawn import Withdrawn
from bridge.results.backend import ResultBackend

REPLY_SECONDS = 1.0
PAGE = 256
MOST_PURGED = 10_000
"""Messages that one call drops, each with an end in its record."""
PURGED = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many messages were dropped, and how many still wait."""

    purged: int
    ready: int


class QueueControl:
    """Every method raises `BrokerUnavailable` when Redis does not answer. Workers have `reply_seconds` to reply."""

    def __init__(
        self,
        redis: Redis,
        store: StatusStore,
        backend: ResultBackend,
        mailbox: Mailbox,
        reply_seconds: float = REPLY_SECONDS,
    ) -> None:
        self._redis = redis
        self._store = store
        self._withdrawn = Withdrawn(redis, backend)
        self._mailbox = mailbox
        self._precautions = Precautions(mailbox)
        self._wait = Wait(timeout=reply_seconds)
        self._queues = Queues(redis, redis.settings)
        self._names = broker_keys(redis)
        self._keys = Keys(redis.settings.prefix)

    def __repr__(self) -> str:
        return f"<QueueControl {self._redis!r}>"

    async def pause(self, queue: str) -> None:
        """Refuse tasks for a queue, and have workers take none from it; what they have taken they still run.

        Raises:
            QueueNotFound: no queue of this name is known.
            InvalidMessage: workers hear a fanout exchange by it, and would not survive that they are told to stop.
        """
        await self._check_known(queue)
        await self._precautions.cancelling(queue, ALL, self._wait)
        await self._redis.execute("SADD", self._keys.paused, self._names.key(queue))
        surveyed = {worker.hostname for worker in await self._workers() if queue in (worker.queues or ())}
        await self._stop({queue}, {queue: surveyed})

    async def resume(self, queue: str) -> None:
        """Take tasks for a queue again, and have those workers take them from it that did before it was paused.

        Raises:
            QueueNotFound: no queue of this name is known.
        """
        await self._check_known(queue)
        await self._redis.execute("SREM", self._keys.paused, self._names.key(queue))
        key = self._keys.paused_workers(queue)
        workers = set(texts(await self._redis.execute("SMEMBERS", key), key))
        await self._begin(queue, workers)
        if workers:
            await self._redis.execute("SREM", key, *workers)

    async def enforce(self) -> None:
        """Have workers that came since a queue was paused take nothing from it either."""
        if paused := await self._queues.paused():
            await self._stop(paused, {})

    async def _stop(self, queues: Set[str], surveyed: dict[str, set[str]]) -> None:
        replies = await self._mailbox.call(ACTIVE_QUEUES, ALL, self._wait)
        for queue in queues:
            workers = _consumers(replies, queue) | surveyed.get(queue, set())
            if workers:
                await self._redis.execute("SADD", self._keys.paused_workers(queue), *workers)
            await self._mailbox.cast(commands.cancel_consumer(queue))
            if queue not in await self._queues.paused():  # it was resumed meanwhile, and they must not stay behind
                await self._begin(queue, workers)

    async def _begin(self, queue: str, workers: Iterable[str]) -> None:
        command = commands.add_consumer(queue, exchange=None, exchange_type="direct", routing_key=None)
        rest = iter(workers)
        while some := list(islice(rest, MAX_WORKERS)):
            await self._mailbox.cast(command, Audience(destination=some))

    async def _workers(self) -> list[WorkerStatus]:
        return await self._queues.workers(_now_ms())

    async def _check_known(self, queue: str) -> None:
        if not await self._queues.is_known(queue, _now_ms()):
            raise QueueNotFound(queue)

    async def purge(self, queue: str, *, limit: int = MOST_PURGED) -> Purged:
        """Drop messages that wait, at most `limit`; each of their tasks is cancelled. Held tasks stay.

        Raises:
            QueueNotFound: no queue of this name is known.
            BrokerUnavailable: when it is the result backend, what was dropped is cancelled all the same; a watcher
                stores that as the results.
        """
        await self._check_known(queue)
        purged = 0
        for key in self._names.lists(queue):
            left = min(int(await self._redis.execute("LLEN", key)), limit - purged)
            while left > 0 and (page := await self._redis.execute("LRANGE", key, 0, min(PAGE, left) - 1)):
                purged += await self._drop(key, page)
                left -= len(page)
        lengths = [int(await self._redis.execute("LLEN", key)) for key in self._names.lists(queue)]
        return Purged(purged=purged, ready=sum(lengths))

    async def _drop(self, key: str, messages: Sequence[bytes]) -> int:
        """Drop those of these messages that are there still, the record of each task and its message in one step.

        A message that is not the one in the record, as of a task that is retried or that somebody else submitted, is
        dropped first, and then its task is told to have ended.
        """
        task_ids = [task_of_message(message) for message in messages]
        ended = await self._end([task_id for task_id in task_ids if task_id], key)
        rest = [(task_id, one) for task_id, one in zip(task_ids, messages, strict=True) if task_id not in ended]
        removed = await asyncio.gather(*(self._redis.execute("LREM", key, 1, message) for _, message in rest))
        dropped = [task_id for (task_id, _), count in zip(rest, removed, strict=True) if count]
        ended |= await self._end([task_id for task_id in dropped if task_id], "")
        await self._withdrawn.tell(list(ended))
        return len(messages) - len(rest) + len(dropped)

    async def _end(self, task_ids: Sequence[str], withdraw_from: str) -> set[str]:
        """Which of the tasks have now ended."""
        error = {"type": "TaskRevokedError", "message": PURGED}
        news = [
            News(
                task_id=task_id,
                status=Status.CANCELLED,
                at_ms=_now_ms(),
                details={"error": error},
                changes={"cancel": PURGED},
                withdraw_from=withdraw_from,
                untold=True,
            )
            for task_id in task_ids
        ]
        outcomes = await self._store.advance(news) if news else []
        return {task_id for task_id, outcome in zip(task_ids, outcomes, strict=True) if outcome.seq > 0}


def _consumers(replies: Replies, queue: str) -> set[str]:
    return {worker for worker, reply in replies.items() if queue in (queues_of(reply) or ())}


def _now_ms() -> int:
    return int(time.time() * 1000)
