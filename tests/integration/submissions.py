"""What tests submit, by whom, and at what time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bridge.protocol.events import Sender
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.submit.acceptance import Identity, Submission
from tests.clocks import START, Clock

TOMORROW = datetime.fromtimestamp(START, UTC) + timedelta(days=1)
IN_A_MONTH = datetime.fromtimestamp(START, UTC) + timedelta(days=30)
DEADLINE = 10
"""Seconds that a test waits for what must happen."""


def identity(clock: Clock) -> Identity:
    return Identity(
        sender=Sender(hostname="gen7@example", pid=7), reply_to="oid", clock=clock, new_id=lambda: str(uuid4())
    )


def submission(
    task_id: str,
    *,
    queue: str = "celery",
    priority: int = 0,
    eta: datetime | None = None,
    args: tuple[object, ...] = (),
) -> Submission:
    message = TaskMessage(task="tasks.add", task_id=task_id, eta=eta, args=args)
    return Submission(message=message, route=Route(queue=queue, priority=priority))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, each time with a round trip, until it is so."""
    async with asyncio.timeout(DEADLINE):
        while not await condition():
            pass
