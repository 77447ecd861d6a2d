"""Workers that come, or come back: they have not heard what was broadcast while they were away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bridge.errors import BrokerUnavailable
from bridge.protocol.events import Event
from bridge.watch.signs_of_life import WORKERS_LIMIT


class Comebacks:
    """Repeats what all workers must know, whenever one of them may not have heard it."""

    def __init__(self, repeat: Sequence[Callable[[], Awaitable[None]]]) -> None:
        self._repeat = repeat
        self._returned: set[str] = set()
        self._due = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Comebacks returned={len(self._returned)} due={self._due.is_set()}>"

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
        """Wait until a worker may have missed something, and repeat it.

        Raises:
            BrokerUnavailable: Redis does not answer; it is due again.
        """
        await self._due.wait()
        self._due.clear()
        try:
            for repeat in self._repeat:
                await repeat()
        except BrokerUnavailable:
            self._due.set()
            raise
