"""Following a task across dropped connections: every update once, in order, until the task has ended."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import httpx

from app.cli.errors import ApiUnreachable
from app.cli.following.api_client import CONNECT_SECONDS, refuse_unless_ok, task_path, unreachable
from app.cli.following.sse_client import EventParser, ServerSentEvent
from app.cli.following.updates import Update

ENDED = 204
SPREAD = (1, 1.5)
WORTH_ANOTHER_TRY = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to come back and when to give up. Durations are seconds.

    A connection is given up after `silence` without a byte, which is more than two keep-alives; the next one is made
    after the server's `retry`, doubled for each attempt in a row that brought no byte, at most `longest_pause`. After
    `attempts` of those in a row the API counts as unreachable.
    """

    silence: float = 40
    attempts: int = 8
    first_pause: float = 0.5
    longest_pause: float = 10

    def pause(self, failures: int, retry_ms: int | None) -> float:
        """How long to wait before the next connection, before jitter."""
        first = self.first_pause if retry_ms is None else retry_ms / 1_000
        return min(first * 2.0 ** max(0, failures - 1), self.longest_pause)


async def follow(
    http: httpx.AsyncClient, task_id: str, *, after: int | None = None, patience: Patience | None = None
) -> AsyncGenerator[Update]:
    """The updates of a task, from the first (or the one after `after`) to its end.

    Raises:
        UsageProblem: the API refuses, for example since it knows no such task.
        ApiUnreachable: the API did not answer as often as `patience` allows.
    """
    stream = TaskStream(http, task_id, after=after, patience=patience or Patience())
    async with contextlib.aclosing(stream.events()) as events:
        async for event in events:
            update = Update.of(event)
            yield update
            if update.final:
                return


class TaskStream:
    """The event stream of one task. `connections` counts how often it was opened."""

    def __init__(self, http: httpx.AsyncClient, task_id: str, *, after: int | None, patience: Patience) -> None:
        self.connections = 0
        self._http = http
        self._path = task_path(task_id) + "/events"
        self._patience = patience
        self._cursor = None if after is None else str(after)
        self._retry_ms: int | None = None
        self._failures = 0
        self._heard = False
        self._ended = False

    async def events(self) -> AsyncGenerator[ServerSentEvent]:
        """Every event as it was sent, over as many connections as it takes, until the server says there are no more."""
        while True:
            try:
                async with contextlib.aclosing(self._one_connection()) as events:
                    async for event in events:
                        yield event
            except (httpx.TransportError, _TryAgain) as error:
                self._failed(error)
            if self._ended:
                return
            pause = self._patience.pause(self._failures, self._retry_ms)
            await asyncio.sleep(pause * random.uniform(*SPREAD))  # noqa: S311  # no secret: many must not return at once

    async def _one_connection(self) -> AsyncGenerator[ServerSentEvent]:
        self.connections += 1
        self._heard = False
        parser = EventParser()
        async with self._open() as answer:
            async for chunk in answer.aiter_bytes():
                self._failures, self._heard = 0, True
                for event in parser.feed(chunk):
                    self._cursor = event.id or self._cursor
                    yield event
                self._retry_ms = self._retry_ms if parser.retry_ms is None else parser.retry_ms
            if not (self._heard or self._ended):
                raise _TryAgain("it closed the stream at once")

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[httpx.Response]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._cursor is not None:
            headers["Last-Event-ID"] = self._cursor
        timeout = httpx.Timeout(self._patience.silence, connect=CONNECT_SECONDS)
        async with self._http.stream("GET", self._path, headers=headers, timeout=timeout) as answer:
            self._ended = answer.status_code == ENDED
            if not answer.is_success:
                await answer.aread()
            if answer.status_code in WORTH_ANOTHER_TRY:
                raise _TryAgain(f"it answered {answer.status_code} {answer.reason_phrase}")
            refuse_unless_ok(answer)
            yield answer

    def _failed(self, error: Exception) -> None:
        if self._heard:  # it worked for a while, so this was no failure to connect
            return
        self._failures += 1
        if self._failures >= self._patience.attempts:
            raise unreachable(self._http.base_url, error) from error


class _TryAgain(ApiUnreachable):
    """The server cannot give the stream at the moment."""
