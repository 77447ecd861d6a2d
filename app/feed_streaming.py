"""The stream of many tasks: their updates in one order, with one cursor."""

import asyncio
from collections.abc import Sequence

from app import sse
from app.deps import Edge
from app.schemas import TaskResource, now_ms
from app.streaming import UpdateStream
from bridge.follow.feed import FeedReset, FeedStep
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.protocol.compact import compact


class FeedStream(UpdateStream[FeedStep]):
    """The updates of the tasks selected. When they are named one by one it ends with the last of them."""

    def __init__(self, edge: Edge, selection: Selection, cursor: str | None) -> None:
        # Of tasks that are named all is heard: an end that is not shown, since the rest does not fit, is one as well.
        heard = Selection(task_ids=selection.task_ids) if selection.task_ids else selection
        super().__init__(edge, edge.client.feed.following(heard, cursor, limit=edge.settings.stream_buffer))
        self._selection = selection
        self._open = set(selection.task_ids)

    def __repr__(self) -> str:
        return f"<FeedStream {self._selection} open={len(self._open)}>"

    @property
    def ended(self) -> bool:
        """Whether all tasks that were named have ended; never, when none was."""
        return bool(self._selection.task_ids) and not self._open

    async def begin(self) -> bool:
        """See `UpdateStream.begin`. Raises `TaskNotFound` for the first of the named tasks that is not known."""
        await self._read_all()
        await super().begin()
        self._first = self._shown(self._first)
        return bool(self._first) or not self.ended

    def _shown(self, steps: Sequence[FeedStep]) -> list[FeedStep]:
        """Those that are selected; of the rest the ends are noted as well."""
        updates = [step for step in steps if isinstance(step, FeedEntry)]
        self._open -= {entry.update.task_id for entry in updates if entry.update.final}
        return [step for step in steps if isinstance(step, FeedReset) or self._selection.has(step)]

    async def encode(self, steps: Sequence[FeedStep]) -> bytes:
        """Updates; a reset tells of the tasks as they are, or where they are listed when they are not named."""
        parts = []
        for step in self._shown(steps):
            parts.append(await self._reset(step.cursor) if isinstance(step, FeedReset) else sse.feed_update(step))
        return b"".join(parts)

    async def _reset(self, cursor: str) -> bytes:
        if not self._selection.task_ids:
            return sse.reset(cursor, compact({"tasks": "/v1/tasks"}).encode())
        *tasks, last = await self._read_all()
        return b"".join(map(sse.state, tasks)) + sse.reset(cursor, last)

    async def _read_all(self) -> list[bytes]:
        """The tasks that are named, as they are."""
        client, now = self._edge.client, now_ms()
        records = await asyncio.gather(*map(client.record, self._selection.task_ids))
        self._open = {record.task_id for record in records if not record.final}
        return [TaskResource.of(record, now).model_dump_json().encode() for record in records]
