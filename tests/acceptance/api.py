"""One replica of the API, and what a client does with it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from app.cli.following.api_client import task_path
from app.cli.following.sse_client import EventParser
from app.cli.following.updates import Update
from app.cli.processes.child import Child
from tests.acceptance.waiting import DEADLINE

Document = dict[str, Any]
ACCEPTED, NO_CONTENT = 202, 204


@dataclass(frozen=True, kw_only=True)
class Api:
    """A replica that answers."""

    child: Child
    http: httpx.AsyncClient

    async def submit(self, task: str, *args: object, **options: object) -> str:
        """Submit a task; its id."""
        answer = await self.http.post("/v1/tasks", json={"task": task, "args": args, "options": options})
        assert answer.status_code == ACCEPTED, answer.text
        return str(answer.json()["task_id"])

    async def task(self, task_id: str) -> Document:
        """The task as it is now."""
        answer = await self.http.get(task_path(task_id))
        answer.raise_for_status()
        task: Document = answer.json()
        return task

    async def cancel(self, task_id: str, **how: object) -> httpx.Response:
        """Ask to cancel a task."""
        return await self.http.post(f"{task_path(task_id)}/cancel", json=how)

    async def history(self, task_id: str, after: int = 0) -> list[Document]:
        """The updates that are kept."""
        answer = await self.http.get(f"{task_path(task_id)}/history", params={"after": after})
        answer.raise_for_status()
        updates: list[Document] = answer.json()["updates"]
        return updates

    @asynccontextmanager
    async def stream(
        self, task_id: str, *, last_event_id: int | None = None, after: int | None = None
    ) -> AsyncIterator["Stream"]:
        """One connection to a task's stream."""
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        params = {} if after is None else {"after": after}
        path = f"{task_path(task_id)}/events"
        async with (
            self.http.stream("GET", path, params=params, headers=headers, timeout=DEADLINE) as answer,
            aclosing(_updates(answer)) as updates,
        ):
            yield Stream(answer, updates)

    async def follow(self, task_id: str) -> list[Update]:
        """All updates of a task, from the first to its end."""
        async with self.stream(task_id) as stream:
            return await stream.rest()

    async def answers_at_the_end(self, task_id: str, last_event_id: int) -> int:
        """The status code of the answer to a client that comes back after that update."""
        async with self.stream(task_id, last_event_id=last_event_id) as stream:
            return stream.answer.status_code


class Stream:
    """One connection, read update by update."""

    def __init__(self, answer: httpx.Response, updates: AsyncIterator[Update]) -> None:
        self.answer = answer
        self._updates = updates

    async def next(self) -> Update:
        """The next update.

        Raises:
            StopAsyncIteration: the stream has ended.
            httpx.TransportError: the connection broke.
        """
        return await anext(self._updates)

    async def take(self, count: int) -> list[Update]:
        """So many updates."""
        return [await self.next() for _ in range(count)]

    async def until(self, name: str) -> list[Update]:
        """Updates up to the first one of this name."""
        updates = [await self.next()]
        while updates[-1].name != name:
            updates.append(await self.next())
        return updates

    async def rest(self) -> list[Update]:
        """Updates to the end of the stream."""
        return [update async for update in self._updates]

    async def to_the_break(self) -> list[Update]:
        """Updates until the stream ends or the connection breaks."""
        updates = []
        try:
            async for update in self._updates:
                updates.append(update)
        except httpx.TransportError:
            return updates
        return updates


async def _updates(answer: httpx.Response) -> AsyncGenerator[Update]:
    parser = EventParser()
    async for chunk in answer.aiter_bytes():
        for event in parser.feed(chunk):
            yield Update.of(event)


def numbers(updates: Sequence[Update]) -> list[int | None]:
    """Their ids."""
    return [update.seq for update in updates]


def names(updates: Sequence[Update]) -> list[str]:
    """Their names."""
    return [update.name for update in updates]


def assert_complete(updates: Sequence[Update], status: str = "succeeded") -> None:
    """Every id once and rising from 1, and then the end."""
    assert numbers(updates) == list(range(1, len(updates) + 1)), names(updates)
    assert [update.final for update in updates] == [False] * (len(updates) - 1) + [True], names(updates)
    assert updates[-1].status == status, json.dumps(updates[-1].content)
