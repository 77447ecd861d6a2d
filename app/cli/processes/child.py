"""Child processes with a lifetime: started, watched, and gone at the end together with everything they started.

Each child leads its own session, so Ctrl-C at a terminal reaches the parent alone, which then stops them in order.
On Linux a child also ends when its parent is killed (see `tied`).
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from app.cli.errors import ChildDied, ChildNotReady
from app.cli.processes.run import Run, Tie
from app.cli.processes.shielding import to_the_end

KEPT_LINES = 20
FIRST_POLL = 0.05
LONGEST_POLL = 0.4
"""Readiness is asked again after a pause between these, each longer than the one before."""

Sink = Callable[[str, str], None]
"""Takes a child's name and one line of its output, without the line end. Must not block and must not raise."""


async def at_once() -> bool:
    """The readiness of a service that has none of its own."""
    return True


@dataclass(frozen=True, kw_only=True)
class Service:
    """What to run. `env` is on top of this process's environment; durations are seconds.

    `ready` is asked again and again until it says yes. `hurry_signal` is for a process that SIGTERM did not end within
    `stop_within`, or whose parent was killed. With `guarded`, what is left of it `hurry_within` after that is killed
    even when no parent is there to do it; that is for programs that can hang, or have processes of their own.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] = at_once
    start_within: float = 30
    stop_within: float = 10
    hurry_signal: signal.Signals = signal.SIGTERM
    hurry_within: float = 2
    guarded: bool = False

    @property
    def tie(self) -> Tie:
        """What happens to it when its parent is killed."""
        return Tie(at_once=self.hurry_signal, guard_seconds=self.hurry_within if self.guarded else 0)


def discard(_name: str, _line: str) -> None:
    """The sink that keeps nothing; a child remembers its last lines anyway."""


class Child:
    """One process of a service. After its end it can be started again.

    ``async with Child(service)`` starts it, waits until it is ready, and stops it.
    """

    def __init__(self, service: Service, sink: Sink = discard) -> None:
        self.service = service
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._sink = sink
        self._run: Run | None = None
        self._swept = True

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.running else f"exit code {self.returncode}"
        return f"<Child {self.name}: {state}>"

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def pid(self) -> int | None:
        """The process, which also leads its process group; None before the first start."""
        return self._run.pid if self._run else None

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs and before the first start."""
        return self._run.returncode if self._run else None

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._run is not None and not self._run.ended.is_set()

    async def __aenter__(self) -> Self:
        await self.start()
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await to_the_end(self.stop(), hurry=self.kill_now)

    async def start(self) -> None:
        """Start the process, without waiting until it is ready. Cancelling this leaves no process."""
        if not self._swept:
            raise RuntimeError(f"{self.name} was started already; stop() or kill() it before the next start.")
        service = self.service
        env = {**os.environ, **service.env}
        self._run = await Run.start(service.argv, env, service.tie, self._take_line)
        self._swept = False

    async def ready(self) -> None:
        """Wait until the service says it is ready.

        Raises:
            ChildDied: it ended instead.
            ChildNotReady: it did not become ready within the service's `start_within`.
        """
        pause = FIRST_POLL
        try:
            async with asyncio.timeout(self.service.start_within):
                while not await self.service.ready():
                    if await self._started().ended_within(pause):
                        raise await self.death()
                    pause = min(pause * 1.5, LONGEST_POLL)
        except TimeoutError as error:
            raise ChildNotReady(self.name, self.service.start_within, self.last_lines) from error
        if not self.running:
            raise await self.death()

    async def wait(self) -> int | None:
        """Wait for the end of the process; its exit code, or minus the signal that ended it."""
        await self._started().ended.wait()
        return self.returncode

    async def death(self) -> ChildDied:
        """Wait for the end of the process and its last lines; the error that tells of it."""
        code = await self.wait()
        await self._started().drain()
        return ChildDied(self.name, code, self.last_lines)

    async def stop(self, within: float | None = None) -> int | None:
        """SIGTERM; after `within` seconds (the service's `stop_within`) its `hurry_signal`; then SIGKILL to the group.

        Returns the exit code when nothing of the group is left; None when it was never started.
        """
        if self.running:
            self.send_signal(signal.SIGTERM)
            if not await self._started().ended_within(self.service.stop_within if within is None else within):
                self.send_signal(self.service.hurry_signal)
                await self._started().ended_within(self.service.hurry_within)
        return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL to the whole group, and wait until nothing of it is left. Harmless after the end."""
        if not self._swept:
            await self._started().sweep()
            self._swept = True
        return self.returncode

    def kill_now(self) -> None:
        """SIGKILL to the whole group without waiting; stop() or kill() then find it ended."""
        if not self._swept:
            self._started().kill_group()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to what it started. Harmless after the end."""
        if self.running:
            self._started().send_signal(number)

    def _started(self) -> Run:
        if self._run is None:
            raise RuntimeError(f"{self.name} was not started; call start() first.")
        return self._run

    def _take_line(self, line: str) -> None:
        self.last_lines.append(line)
        self._sink(self.name, line)
