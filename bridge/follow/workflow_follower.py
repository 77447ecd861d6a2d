"""Following a workflow: the updates of all its tasks on one stream, without a gap and without a double, to its end."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence

from bridge.errors import TaskNotFound
from bridge.follow.feed_entry import Selection
from bridge.follow.hub import Hub
from bridge.follow.subscriber import Listener
from bridge.protocol.canvas.results import ResultNode, Workflow
from bridge.protocol.state import ENDS, Status
from bridge.records.status import StatusUpdate
from bridge.records.status_store import StatusStore

SILENCE_SECONDS = 60.0
"""Of a workflow that Celery has started nobody records a body that is told nothing; after so long it will not be."""
READS_AT_ONCE = 500
"""Histories that are read at the same time."""
BUFFER, BUFFER_A_TASK = 1_024, 8
"""Updates that a reader may be behind: more than the hub hands over at once, and some for each task."""

After = int | Mapping[str, int]
"""The last update that is known already: of every task, or of each by its id. What is not named is read whole."""


class WorkflowFollower:
    """Walks along the updates of a workflow's tasks. Made by `workflow_updates`."""

    def __init__(self, store: StatusStore, listener: Listener, workflow: Workflow, after: After) -> None:
        self._store = store
        self._listener = listener
        self._workflow = workflow
        everyone = after if isinstance(after, int) else 0
        own = {} if isinstance(after, int) else after
        self.seqs = {task_id: own.get(task_id, everyone) for task_id in workflow.task_ids}
        """Of each task the last update handed out."""
        self._later = workflow.later_ids
        self._found = False
        self._queued: set[str] = set()
        self._ended: dict[str, Status] = {}

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self._workflow.is_over(self._queued, self._ended)

    @property
    def ended_untold(self) -> bool:
        """Whether nothing more will happen, unless a body is still told that its header has failed."""
        return self._workflow.is_over(self._queued, self._ended, told=False)

    async def catch_up(self) -> list[StatusUpdate]:
        """What the histories have after `seqs`, task by task.

        Raises:
            TaskNotFound: not one of the tasks is known.
        """
        task_ids = [task_id for task_id in self.seqs if task_id not in self._ended]
        reads: list[Sequence[StatusUpdate]] = []
        for at in range(0, len(task_ids), READS_AT_ONCE):
            reads += await asyncio.gather(*map(self._read, task_ids[at : at + READS_AT_ONCE]))
        if not self._found:
            raise TaskNotFound(self._workflow.task_ids[-1])
        return list(self._fresh(itertools.chain.from_iterable(reads)))

    async def next(self, timeout: float) -> list[StatusUpdate]:
        """The updates that follow; none when there were none for `timeout` seconds.

        Raises:
            SubscriberTooSlow: the reader was dropped; follow again after `seqs`.
            TaskNotFound: the record of one has expired in between.
        """
        if not await self._listener.wait(timeout):
            return []
        heard = [entry.update for entry in self._listener.take()]
        if not self._listener.was_stale():  # then the hub has handed over all there was
            return list(self._fresh(heard))
        return await self._listener.caught_up(self.catch_up)

    async def _read(self, task_id: str) -> Sequence[StatusUpdate]:
        try:
            updates, status = await self._missed(task_id)
        except TaskNotFound:
            if task_id in self._queued:
                raise
            return ()
        self._found = True
        self._note(task_id, status)
        return updates

    async def _missed(self, task_id: str) -> tuple[Sequence[StatusUpdate], Status]:
        """What a history has after what was handed out, and how the task is."""
        after = self.seqs[task_id]
        missed = await self._store.read_after(task_id, after)
        if missed.dropped <= after <= missed.seq:
            return missed.updates, missed.status
        # Some are not kept any more; or the record has gone, and the task was heard of again.
        record = await self._store.record(task_id)
        missed = await self._store.read_after(task_id, 0)
        return [record.reset(missed.dropped), *missed.updates], missed.status

    def _note(self, task_id: str, status: Status) -> None:
        """A later step is ``submitted`` from the start, and something else from when a worker has sent it."""
        if status is not Status.SUBMITTED or task_id not in self._later:
            self._queued.add(task_id)
        if status in ENDS:
            self._ended[task_id] = status

    def _fresh(self, updates: Iterable[StatusUpdate]) -> Iterator[StatusUpdate]:
        for update in updates:
            if update.seq > self.seqs[update.task_id] or update.kind == "reset":
                self.seqs[update.task_id] = update.seq
                self._note(update.task_id, update.status)
                yield update


async def workflow_updates(
    store: StatusStore, hub: Hub, result: ResultNode, after: After, silence: float = SILENCE_SECONDS
) -> AsyncGenerator[StatusUpdate, None]:
    """The updates of all tasks of a workflow, in the order in which they come; each says which task it is of.

    One of the kind ``reset`` stands for those of a task that are not kept any more. It ends when all have ended, or
    cannot be started any more. Raises what `WorkflowFollower` raises.
    """
    workflow = Workflow(result)
    if not workflow.task_ids:
        return
    selection = Selection(task_ids=frozenset(workflow.task_ids), owner=store.owner or None)
    with hub.listen(selection, limit=BUFFER + BUFFER_A_TASK * len(workflow.task_ids)) as listener:
        follower = WorkflowFollower(store, listener, workflow, after)
        updates = await follower.catch_up()
        while True:
            for update in updates:
                yield update
            if follower.ended:
                return
            since = asyncio.get_running_loop().time()
            updates = await follower.next(silence)
            if not updates and follower.ended_untold and asyncio.get_running_loop().time() >= since + silence:
                return
