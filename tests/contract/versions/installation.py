"""What the tests of a version have at hand, and questions that several of them ask."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge import StatusUpdate, TaskClient, TaskHandle
from bridge.protocol.events import CeleryEvent
from bridge.protocol.state import Status
from tests.contract.beside import Beside

DEADLINE = 30
W1 = "w1@example"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One server, one worker and one client of a version of Celery. What the worker logs is in `log`."""

    url: str
    python: Path
    log: Path
    beside: Beside


async def to_its_end(client: TaskClient, task_id: str) -> Sequence[StatusUpdate]:
    """Every update of a task, numbered without a gap."""
    async with asyncio.timeout(DEADLINE):
        told = [update async for update in client.follow(task_id)]
    assert [update.seq for update in told] == list(range(1, len(told) + 1))
    return told


def kinds(told: Sequence[StatusUpdate]) -> list[str]:
    """What happened; without what may be overtaken, as results and events come by two ways."""
    return [update.kind for update in told if update.kind not in ("received", "scheduled")]


async def running(client: TaskClient, handle: TaskHandle) -> None:
    """Wait until a worker has begun with a task."""
    async with asyncio.timeout(DEADLINE), aclosing(client.follow(handle.task_id)) as stream:
        async for update in stream:
            if update.status is Status.RUNNING:
                return
    raise AssertionError(f"{handle} ended without having run")


async def until(ask: Callable[[], Awaitable[Any]], condition: Callable[[Any], bool]) -> Any:
    """Ask again and again, each time with a round trip, until the answer is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition(answer := await ask()):
            pass
    return answer


@asynccontextmanager
async def hearing(client: TaskClient) -> AsyncIterator[AsyncGenerator[CeleryEvent, None]]:
    """Events, from when a heartbeat that was asked for has shown that they are heard."""
    async with aclosing(client.events()) as events, asyncio.timeout(DEADLINE):
        first = asyncio.ensure_future(anext(events))
        while not first.done():
            await client.control.heartbeat()
            await asyncio.wait([first], timeout=0.1)
        yield events


async def events_of(task_id: str, events: AsyncGenerator[CeleryEvent, None], *ends: str) -> list[CeleryEvent]:
    """The events of a task, to the one that is its end."""
    told: list[CeleryEvent] = []
    while not told or told[-1].type not in ends:
        event = await anext(events)
        told += [event] if event.task_id == task_id else []
    return told


def loses_events(version: str, pool: str) -> bool:
    """Up to Celery 5.6 a thread may put an event into the buffer while another sends what it holds, and empties it."""
    return pool == "threads" and version < "5.7"
