"""Cancel requests told again: a worker that was not connected when a task was revoked has not heard of it."""

import logging
from collections import defaultdict

from bridge.protocol import commands
from bridge.records.status_store import StatusStore
from bridge.remote.mailbox import Mailbox

logger = logging.getLogger(__name__)
SIGTERM = "SIGTERM"


class Revokes:
    """Tells all workers once more what was revoked."""

    def __init__(self, store: StatusStore, mailbox: Mailbox) -> None:
        self._store = store
        self._mailbox = mailbox

    async def repeat(self) -> None:
        """Tell them. Raises `BrokerUnavailable` when Redis does not answer."""
        async for page in self._store.open_tasks():
            by_signal: dict[str, list[str]] = defaultdict(list)
            rows = await self._store.peek(page, ("cancel", "terminate"))
            for task_id, (asked, terminate) in zip(page, rows, strict=True):
                if asked is not None:
                    by_signal[terminate or ""].append(task_id)
            for signal, task_ids in by_signal.items():
                logger.info("%d tasks are revoked again, for workers that came back", len(task_ids))
                await self._mailbox.cast(commands.revoke(task_ids, terminate=bool(signal), signal=signal or SIGTERM))
