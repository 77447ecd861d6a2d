"""A stream: what a follower hears, as bytes, until the end or until somebody leaves."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any, Generic, Protocol, TypeVar

from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app import sse
from app.deps import Edge
from app.schemas import TaskResource, now_ms
from bridge.errors import PetioleError
from bridge.follow.follower import Reset, Step

logger = logging.getLogger(__name__)
JITTER = (0.25, 1.5)
"""Range, in parts of the usual wait, over which clients of a stopping server come back."""

SERVER_SECONDS = 1.0
"""How much longer than `send_timeout` a stream waits for its client: a server that can cut it off does so first."""


class ClientDoesNotRead(Exception):
    """The client left unread for too long what waits for it."""


StepT = TypeVar("StepT")


class Walk(Protocol[StepT]):
    """What a stream tells of: a follower of one task, or of the feed."""

    @property
    def ended(self) -> bool:
        """Whether nothing will follow."""
        ...

    async def catch_up(self) -> list[StepT]:
        """What was missed."""
        ...

    async def next(self, timeout: float) -> list[StepT]:
        """What follows; nothing after so many seconds."""
        ...


class UpdateStream(ABC, Generic[StepT]):
    """The stream of one client: `begin` says what there is to tell, `chunks` tells it, `close` ends it in any case."""

    def __init__(self, edge: Edge, following: AbstractContextManager[Walk[StepT]]) -> None:
        self._edge = edge
        self._first: Sequence[StepT] = ()
        self._held = ExitStack()
        self._held.enter_context(edge.streams.one_more())
        self._follower = self._held.enter_context(following)
        self.patience = edge.settings.send_timeout + SERVER_SECONDS
        """How long the client may leave unread what waits for it, in seconds."""

    @property
    def ended(self) -> bool:
        """Whether the client has been told all there will ever be."""
        return self._follower.ended

    @abstractmethod
    async def encode(self, steps: Sequence[StepT]) -> bytes:
        """What these steps are on the wire."""

    async def begin(self) -> bool:
        """Read what the client missed; False when it has all there will ever be.

        Raises:
            TaskNotFound: the task is not known.
            BrokerUnavailable: Redis does not answer.
        """
        self._first = await self._follower.catch_up()
        return bool(self._first) or not self.ended

    def close(self) -> None:
        """Unsubscribe; may be called again."""
        self._held.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the stream, first those that were missed."""
        try:
            yield sse.retry(self._edge.settings.reconnect_ms) + await self.encode(self._first)
            while not (self.ended or self._edge.streams.closing):
                yield await self._next()
            if not self.ended:
                yield self._goodbye()
        except PetioleError as error:
            # The client comes back after the last update it saw, and is told then what is wrong.
            logger.info("a stream ends early, of %r: %s", self, error)

    async def _next(self) -> bytes:
        steps = await self._follower.next(self._edge.settings.keep_alive)
        return await self.encode(steps) or sse.KEEP_ALIVE

    def _goodbye(self) -> bytes:
        wait = self._edge.settings.reconnect_ms * random.uniform(*JITTER)  # noqa: S311  # spreads load, no secret
        return sse.closing(int(wait))


class TaskStream(UpdateStream[Step]):
    """The updates of one task."""

    def __init__(self, edge: Edge, task_id: str, after: int) -> None:
        super().__init__(edge, edge.client.following(task_id, after, limit=edge.settings.stream_buffer))
        self._task_id = task_id

    def __repr__(self) -> str:
        return f"<TaskStream {self._task_id}>"

    async def encode(self, steps: Sequence[Step]) -> bytes:
        """Updates; a task of which older ones are not kept is told as a whole first."""
        return b"".join([await self._reset(step) if isinstance(step, Reset) else sse.update(step) for step in steps])

    async def _reset(self, step: Reset) -> bytes:
        record = await self._edge.client.record(self._task_id)
        return sse.reset(step.seq, TaskResource.of(record, now_ms()).model_dump_json().encode())


class UpdateStreamResponse(StreamingResponse):
    """Sends a stream that has begun, and closes it however that ends: a client may leave before the first byte.

    A client that does not read would hold its place for ever. It is let go; the server closes a connection whose
    response ends in the middle, and the client resumes by its cursor.
    """

    def __init__(
        self, stream: UpdateStream[Any], status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(stream.chunks(), status_code, sse.HEADERS | dict(headers or {}), sse.MEDIA_TYPE)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with closing(self._stream):
            try:
                await self._send(receive, _in_time(send, self._stream.patience))
            except ClientDoesNotRead:
                logger.info("a client of a stream does not read, and is let go")

    async def _send(self, receive: Receive, send: Send) -> None:
        """Send it until the client leaves. Starlette's own way, by a group of two tasks, takes 6 KB more a stream."""
        try:
            async with asyncio.timeout(None) as stay:
                leaving = asyncio.create_task(_end_when_left(receive, stay), name="a client leaves")
                try:
                    await self.stream_response(send)
                finally:
                    leaving.cancel()
        except TimeoutError:
            if not stay.expired():
                raise


def _in_time(send: Send, patience: float) -> Send:
    async def send_in_time(message: Message) -> None:
        try:
            async with asyncio.timeout(patience):
                await send(message)
        except TimeoutError as error:
            raise ClientDoesNotRead from error
        except OSError as error:  # how servers say that it has left, since version 2.4 of ASGI
            raise ClientDisconnect from error

    return send_in_time


async def _end_when_left(receive: Receive, stay: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stay.reschedule(asyncio.get_running_loop().time())


async def begun(
    stream: UpdateStream[Any], status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The response that sends a stream, or 204 when there is nothing to tell. Raises what `begin` raises."""
    with ExitStack() as until_begun:
        until_begun.callback(stream.close)
        if not await stream.begin():
            return Response(status_code=204, headers=sse.NOT_STORED)
        until_begun.pop_all()
        return UpdateStreamResponse(stream, status_code, headers)
