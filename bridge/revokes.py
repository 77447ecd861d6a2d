"""Cancel requests told again: a worker that was not connected when a task was revoked has not heard of it."""

import asyncio
import logging
from collections import defaultdict

from bridge.errors import BrokerUnavailable
from bridge.mailbox import Mailbox
from bridge.protocol import commands
from bridge.protocol.events import Event
from bridge.signs_of_life import WORKERS_LIMIT
from bridge.status_store import StatusStore

logger = logging.getLogger(__name__)
SIGTERM = "SIGTERM"


class Revokes:
    """Tells all workers once more what was revoked, whenever one of them has come, or come back."""

    def __init__(self, store: StatusStore, mailbox: Mailbox) -> None:
        self._store = store
        self._mailbox = mailbox
        self._returned: set[str] = set()
        self._due = asyncio.Event()

    def heard(self, event: Event) -> None:
        """Take note of a worker's event. One that says it is online does not hear commands yet; at its first heartbeat
        it does."""
        worker, kind = str(event.get("hostname")), event["type"]
        if kind == "worker-online" and len(self._returned) < WORKERS_LIMIT:
            self._returned.add(worker)
        elif kind == "worker-heartbeat" and worker in self._returned:
            self._returned.remove(worker)
            self._due.set()

    def missed(self) -> None:
        """Take note that events were missed, among them perhaps those of a worker that came back."""
        self._due.set()

    async def repeat_when_due(self) -> None:
        """Wait until a worker may not have heard what was revoked, and tell it.

        Raises:
            BrokerUnavailable: Redis does not answer; it is due again.
        """
        await self._due.wait()
        self._due.clear()
        try:
            await self._repeat()
        except BrokerUnavailable:
            self._due.set()
            raise

    async def _repeat(self) -> None:
        async for page in self._store.open_tasks():
            by_signal: dict[str, list[str]] = defaultdict(list)
            rows = await self._store.peek(page, ("cancel", "terminate"))
            for task_id, (asked, terminate) in zip(page, rows, strict=True):
                if asked is not None:
                    by_signal[terminate or ""].append(task_id)
            for signal, task_ids in by_signal.items():
                logger.info("%d tasks are revoked again, for workers that came back", len(task_ids))
                await self._mailbox.cast(commands.revoke(task_ids, terminate=bool(signal), signal=signal or SIGTERM))
