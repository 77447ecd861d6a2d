"""Following one task: its history from any position, then what happens, without a gap and without a double."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from bridge.follow.hub import Hub
from bridge.follow.subscriber import Subscriber
from bridge.records.status import StatusUpdate
from bridge.records.status_store import Missed, StatusStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Updates up to `seq` are not kept any more: read the task as a whole, then go on after that number."""

    seq: int


Step = StatusUpdate | Reset


class History(Protocol):
    """What a follower reads: of the status store the histories alone."""

    async def read_after(self, task_id: str, after: int) -> Missed:
        """See `StatusStore.read_after`."""
        ...


class Follower:
    """Walks along one task's updates. Made by `following`."""

    def __init__(self, store: History, subscriber: Subscriber, after: int) -> None:
        self._store = store
        self._subscriber = subscriber
        self.seq = after
        """The last update handed out."""
        self.ended = False

    async def catch_up(self) -> list[Step]:
        """What the history has after `seq`.

        Raises:
            TaskNotFound: the task is not known, or not any more.
        """
        task_id = self._subscriber.task_id
        missed = await self._store.read_after(task_id, self.seq)
        steps: list[Step] = []
        if missed.dropped > self.seq or missed.seq < self.seq:
            missed = await self._store.read_after(task_id, 0)
            self.seq = missed.dropped
            steps.append(Reset(seq=self.seq))
        steps.extend(self._fresh(missed.updates))
        self.ended = missed.ended
        return steps

    async def next(self, timeout: float) -> list[Step]:
        """The steps that follow; none when there were none for `timeout` seconds.

        Raises:
            SubscriberTooSlow: the reader was dropped; follow again after `seq`.
            TaskNotFound: the record has expired in between.
        """
        if not await self._subscriber.wait(timeout):
            return []
        updates = self._subscriber.take()
        if not (self._subscriber.was_stale() or self._leaves_gap(updates)):
            return list(self._fresh(updates))
        return await self._subscriber.caught_up(self.catch_up)

    def _leaves_gap(self, updates: Sequence[StatusUpdate]) -> bool:
        fresh = [update.seq for update in updates if update.seq > self.seq]
        return fresh != list(range(self.seq + 1, self.seq + 1 + len(fresh)))

    def _fresh(self, updates: Sequence[StatusUpdate]) -> Iterator[StatusUpdate]:
        for update in updates:
            if update.seq > self.seq:
                self.seq = update.seq
                self.ended = self.ended or update.final
                yield update


@contextmanager
def following(store: StatusStore, hub: Hub, task_id: str, after: int, *, limit: int) -> Iterator[Follower]:
    """A follower of a task after the update `after`: first `catch_up`, then `next` until it has `ended`."""
    with hub.subscribe(task_id, limit=limit) as subscriber:
        yield Follower(store, subscriber, after)


async def updates(
    store: StatusStore, hub: Hub, task_id: str, after: int, *, limit: int
) -> AsyncGenerator[StatusUpdate, None]:
    """All updates of a task after `after`, to its end; a ``reset`` in the place of those that are not kept any more."""
    with following(store, hub, task_id, after, limit=limit) as follower:
        steps = await follower.catch_up()
        while True:
            for step in steps:
                yield step if isinstance(step, StatusUpdate) else (await store.record(task_id)).reset(step.seq)
            if follower.ended:
                return
            steps = await follower.next(timeout=60)
