"""One task's stream: what a follower hears, as bytes, until the end or until somebody leaves."""

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app import sse
from app.deps import Edge
from app.schemas import TaskResource, now_ms
from bridge.errors import PetioleError
from bridge.follower import Reset, Step

logger = logging.getLogger(__name__)
JITTER = (0.25, 1.5)
"""Range, in parts of the usual wait, over which clients of a stopping server come back."""


class TaskStream:
    """The stream of one client: `begin` says what there is to tell, `chunks` tells it, `close` ends it in any case."""

    def __init__(self, edge: Edge, task_id: str, after: int) -> None:
        self._edge = edge
        self._task_id = task_id
        self._held = ExitStack()
        self._follower = self._held.enter_context(
            edge.client.following(task_id, after, limit=edge.settings.stream_buffer)
        )
        self._held.enter_context(edge.streams.one_more())
        self._first: Sequence[Step] = ()

    async def begin(self) -> bool:
        """Read what the client missed; False when it has all there will ever be.

        Raises:
            TaskNotFound: the task is not known.
            BrokerUnavailable: Redis does not answer.
        """
        self._first = await self._follower.catch_up()
        return bool(self._first) or not self._follower.ended

    def close(self) -> None:
        """Unsubscribe; may be called again."""
        self._held.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the stream, first those that were missed."""
        try:
            yield sse.retry(self._edge.settings.reconnect_ms) + await self._encode(self._first)
            while not (self._follower.ended or self._edge.streams.closing):
                yield await self._next()
            if not self._follower.ended:
                yield self._goodbye()
        except PetioleError as error:
            # The client comes back after the last update it saw, and is told then what is wrong.
            logger.info("the stream of task %s ends early: %s", self._task_id, error)

    async def _next(self) -> bytes:
        steps = await self._follower.next(self._edge.settings.keep_alive)
        return await self._encode(steps) or sse.KEEP_ALIVE

    def _goodbye(self) -> bytes:
        wait = self._edge.settings.reconnect_ms * random.uniform(*JITTER)  # noqa: S311  # spreads load, no secret
        return sse.closing(int(wait))

    async def _encode(self, steps: Sequence[Step]) -> bytes:
        return b"".join([await self._reset(step) if isinstance(step, Reset) else sse.update(step) for step in steps])

    async def _reset(self, step: Reset) -> bytes:
        record = await self._edge.client.record(self._task_id)
        return sse.reset(step.seq, TaskResource.of(record, now_ms()).model_dump_json().encode())


class TaskStreamResponse(StreamingResponse):
    """Sends a stream that has begun, and closes it however that ends: a client may leave before the first byte."""

    def __init__(self, stream: TaskStream) -> None:
        super().__init__(stream.chunks(), media_type=sse.MEDIA_TYPE, headers=sse.HEADERS)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with closing(self._stream):
            await super().__call__(scope, receive, send)
