"""The publisher: task messages on their way to Celery's queues, all submits of one moment in one round trip."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self

from bridge.batching import Batcher
from bridge.errors import BrokerUnavailable, InvalidMessage
from bridge.redis import Command, Redis
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Acceptance, Identity, Outcome, Replayed, Submission
from bridge.submit.entry import Entry
from bridge.submit.in_doubt import in_doubt

LANES = 2
"""Batches on their way at once: one that Redis works on, and one that is made ready."""


class Publisher:
    """Queues tasks: each is queued *and* recorded, or neither."""

    def __init__(self, redis: Redis, settings: BridgeSettings, identity: Identity) -> None:
        self._redis = redis
        self._acceptance = Acceptance(redis, settings, identity)
        self._batcher: Batcher[Entry, str | Replayed] = Batcher(
            self._accept_each, size=settings.submit_batch, limit=settings.max_pending_submits, lanes=LANES
        )
        self.check = self._batcher.lifetime.check
        """Check that it can be called; see `Lifetime.check`."""
        self.names = self._acceptance.names
        self.ready = self._acceptance.ready
        """Make a submission ready for `accept`; see `Acceptance.ready`."""
        self.check_queue = self._acceptance.check_queue
        """Check that tasks may be sent to a queue; see `Acceptance.check_queue`."""
        self.ready_planned = self._acceptance.ready_planned
        """Make what a worker will send ready for `accept`; see `Acceptance.ready_planned`."""

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: BridgeSettings, identity: Identity) -> AsyncIterator[Self]:
        """A publisher that sends what still waits at the end of the block."""
        publisher = cls(redis, settings, identity)
        async with publisher._batcher:
            yield publisher

    def __repr__(self) -> str:
        return f"<Publisher {self._batcher!r}>"

    def publish(self, submission: Submission) -> asyncio.Future[str | Replayed]:
        """Queue one task. The future has its id, or `Replayed` if its idempotency key came before with the same task.

        Raises:
            InvalidMessage: the message is too large, or cannot be written.
            PublisherBusy: too many submits of this process wait already.

        The future raises:
            InvalidMessage: its queue is a key of another kind.
            DuplicateTask: a task with its id is known.
            IdempotencyKeyReused: its idempotency key came before with another one.
            QueuePaused: the queue takes no tasks now.
            QueueSaturated: the queue is as deep as it may become.
            BrokerUnavailable: Redis did not answer. Unless it is `undone`, the task may have been queued: sent again
                with the `task_id` that it has, it is queued once, and `DuplicateTask` answers if it was. It has none
                for a task that is not recorded: of that it cannot be told.
        """
        return self.send(self.ready(submission))

    async def broadcast(self, submission: Submission) -> None:
        """Send one task to the workers that listen to its fanout exchange now. Nothing keeps it: it is not recorded.

        Raises:
            InvalidMessage: as of `publish`; or no worker listens.
            BrokerUnavailable: Redis did not answer; whether workers have it is unknown.
        """
        entry, exchange = self._acceptance.ready(submission), submission.route.fanout
        channel = self.names.fanout_channel(exchange, submission.route.queue)
        if not await self._redis.execute("PUBLISH", channel, entry.message):
            raise InvalidMessage("/options/exchange", f"no worker listens to {exchange!r} now")
        await self._acceptance.announce([entry])

    def send(self, entry: Entry) -> asyncio.Future[str | Replayed]:
        """Queue one task that was made ready, in the batch of this moment; the future has what `publish` has."""
        return self._batcher.call(entry)

    async def _accept_each(self, entries: Sequence[Entry]) -> Sequence[Outcome]:
        try:
            return await self._acceptance.accept(self._acceptance.batch(entries))
        except BrokerUnavailable as error:
            return [in_doubt(error, entry) for entry in entries]

    async def accept(
        self, entries: Sequence[Entry], *, after: Sequence[Command] = (), together: bool = False
    ) -> Sequence[Outcome]:
        """Queue tasks in one round trip, beside those that wait; see `Acceptance.accept`."""
        return await self._acceptance.accept(self._acceptance.batch(entries, together=together), after=after)

    def prepare(self, entries: Sequence[Entry]) -> Callable[[], Awaitable[Sequence[Outcome]]]:
        """As `accept`, in two steps: all of the work that does not need Redis is done, the rest when it is called."""
        return partial(self._acceptance.accept, self._acceptance.batch(entries))
