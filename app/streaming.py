"""One task's stream: what a follower hears, as bytes, until the end or until somebody leaves."""

import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager

from app import sse
from app.deps import Edge
from app.schemas import TaskResource, now_ms
from bridge.errors import PetioleError
from bridge.follower import Follower, Reset, Step

logger = logging.getLogger(__name__)
JITTER = (0.25, 1.5)
"""Range, in parts of the usual wait, over which clients of a stopping server come back."""


class TaskStream:
    """The stream of one client. Opened by `begin`, which says what there is to tell; then iterated once."""

    def __init__(self, edge: Edge, task_id: str, after: int) -> None:
        self._edge = edge
        self._task_id = task_id
        self._following: AbstractContextManager[Follower] = edge.client.following(
            task_id, after, limit=edge.settings.stream_buffer
        )
        self._first: Sequence[Step] = ()

    async def begin(self) -> bool:
        """Subscribe and read what the client missed; False when it has all there will ever be.

        Raises:
            TaskNotFound: the task is not known.
            BrokerUnavailable: Redis does not answer.
        """
        self._follower = self._following.__enter__()
        try:
            self._first = await self._follower.catch_up()
        except BaseException:
            self._leave()
            raise
        if not self._first and self._follower.ended:
            self._leave()
            return False
        self._edge.streams.open += 1
        return True

    def _leave(self) -> None:
        self._following.__exit__(None, None, None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the stream, first those that were missed."""
        try:
            yield sse.retry(self._edge.settings.reconnect_ms) + await self._encode(self._first)
            while not self._follower.ended:
                yield await self._next()
                if self._edge.streams.closing:
                    return
        except PetioleError as error:
            # The client comes back after the last update it saw, and is told then what is wrong.
            logger.info("the stream of task %s ends early: %s", self._task_id, error)
        finally:
            self._edge.streams.open -= 1
            self._leave()

    async def _next(self) -> bytes:
        steps = await self._follower.next(self._edge.settings.keep_alive)
        told = await self._encode(steps)
        if self._edge.streams.closing:
            wait = self._edge.settings.reconnect_ms * random.uniform(*JITTER)  # noqa: S311  # spreads load, no secret
            return told + sse.closing(int(wait))
        return told or sse.KEEP_ALIVE

    async def _encode(self, steps: Sequence[Step]) -> bytes:
        return b"".join([await self._reset(step) if isinstance(step, Reset) else sse.update(step) for step in steps])

    async def _reset(self, step: Reset) -> bytes:
        record = await self._edge.client.record(self._task_id)
        return sse.reset(step.seq, TaskResource.of(record, now_ms()).model_dump_json().encode())
