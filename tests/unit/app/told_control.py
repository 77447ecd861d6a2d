"""What replays, queues and lists answer to the edge: what a test tells them."""

from collections.abc import Sequence
from typing import Any, Self

from bridge import Call, TaskRecord
from bridge.records.task_list import PAGE, START, Cursor, TaskFilter, TaskList, TaskPage
from bridge.remote.queue_control import MOST_PURGED, Purged, QueueControl
from bridge.replays import UNCHANGED, Replays
from bridge.submit.acceptance import Outcome, Replayed
from bridge.submit.claims import Claims


class ToldReplays(Replays):
    """Keeps what is replayed, as ``again`` or as what it is told."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.asked: list[tuple[str, Call]] = []
        self.keys: list[str | None] = []

    async def replay(self, task_id: str, changes: Call = UNCHANGED) -> str:
        """Keep it."""
        if self._told["fails"]:
            raise self._told["fails"]
        self.asked.append((task_id, changes))
        return "again"

    async def replay_once(self, task_id: str, key: str, changes: Call = UNCHANGED) -> str | Replayed:
        """Keep it, and its key."""
        again = await self.replay(task_id, changes)
        self.keys.append(key)
        return Replayed(again) if self._told.get("replayed") else again

    async def replay_many(self, records: Sequence[TaskRecord], *, key: str | None = None) -> list[Outcome]:
        """Keep them; the outcomes are those it was told."""
        self.asked += [(one.task_id, UNCHANGED) for one in records]
        self.keys.append(key)
        return list(self._told["replayed_as"])


class ToldClaims(Claims):
    """The keys of one owner, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def of(self, owner: str) -> Self:
        """The same."""
        return self

    async def _hold(self, key: str, value: str) -> str | None:
        if key in self.held:
            return self.held[key]
        self.held[key] = value
        return None

    async def _keep(self, key: str, value: str) -> None:
        self.held[key] = value

    async def _free(self, key: str) -> None:
        self.held.pop(key, None)

    async def _held(self, key: str) -> str | None:
        return self.held.get(key)


class ToldQueues(QueueControl):
    """Keeps what is asked of queues."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.asked: list[tuple[str, str]] = []

    def _ask(self, what: str, queue: str) -> None:
        if self._told["fails"]:
            raise self._told["fails"]
        self.asked.append((what, queue))

    async def pause(self, queue: str) -> None:
        """Keep it."""
        self._ask("pause", queue)

    async def resume(self, queue: str) -> None:
        """Keep it."""
        self._ask("resume", queue)

    async def purge(self, queue: str, *, limit: int = MOST_PURGED) -> Purged:
        """Keep it."""
        self._ask("purge", queue)
        return Purged(purged=3, ready=1)


class ToldTasks(TaskList):
    """Gives the page it was told, and keeps what was asked for."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.asked: list[tuple[TaskFilter, Cursor, int]] = []

    async def page(self, which: TaskFilter, after: Cursor = START, *, limit: int = PAGE) -> TaskPage:
        """See `TaskList.page`."""
        if self._told["fails"]:
            raise self._told["fails"]
        self.asked.append((which, after, limit))
        return self._told.get("page") or TaskPage()
