"""Several children as one lifetime: started in order, stopped in the opposite order, whatever interrupts."""

import asyncio
from typing import Self

from app.cli.processes.child import Child, Service, Sink, discard
from app.cli.processes.shielding import to_the_end


class Supervisor:
    """``async with Supervisor(sink) as supervisor: await supervisor.start(service)``.

    Leaving stops every child, the last one started first. Cancelling the task once, before or during that, still stops
    them gracefully; cancelling it again while they stop kills them at once.
    """

    def __init__(self, sink: Sink = discard) -> None:
        self.children: list[Child] = []
        self._sink = sink

    @property
    def names(self) -> set[str]:
        """The services that were started."""
        return {child.name for child in self.children}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await to_the_end(self._stop_in_reverse(), hurry=self.kill_all)

    async def start(self, service: Service) -> Child:
        """Start a child, without waiting until it is ready."""
        child = Child(service, self._sink)
        self.children.append(child)
        await child.start()
        return child

    async def first_to_end(self) -> Child:
        """Wait until one of the children ends; that one. There must be one."""
        waits = {asyncio.create_task(child.wait(), name=f"end of {child.name}"): child for child in self.children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for wait in waits:
                wait.cancel()

    def kill_all(self) -> None:
        """SIGKILL to all that runs, without waiting. Leaving the supervisor then finds them ended."""
        for child in self.children:
            child.kill_now()

    async def _stop_in_reverse(self) -> None:
        for child in reversed(self.children):
            await child.stop()
