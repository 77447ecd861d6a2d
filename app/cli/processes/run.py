"""One run of a program in a session of its own, from its start until nothing of it is left."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.cli.processes.groups import group_gone, kill_group
from app.cli.processes.output_lines import LineBuffer

DRAIN_SECONDS = 0.5

_TIED = Path(__file__).with_name("tied.py")


@dataclass(frozen=True, kw_only=True)
class Tie:
    """What happens to a process when this one is killed: it gets the signal `at_once`, and with `guard_seconds` its
    whole group gets SIGKILL so much later. On Linux only.
    """

    at_once: signal.Signals = signal.SIGTERM
    guard_seconds: float = 0


class Run(asyncio.SubprocessProtocol):
    """What the event loop tells about a process. `ended` is set at its end, `drained` when its output has ended, which
    is later when something it started still holds the pipe.
    """

    def __init__(self, take_line: Callable[[str], None]) -> None:
        self.ended = asyncio.Event()
        self.drained = asyncio.Event()
        self._take_line = take_line
        self._buffer = LineBuffer()
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def start(
        cls, argv: tuple[str, ...], env: Mapping[str, str], tie: Tie, take_line: Callable[[str], None]
    ) -> Self:
        """Start a program. `env` is its whole environment. Cancelling this leaves no process."""
        wrapper = (
            sys.executable,
            "-I",
            "-S",
            str(_TIED),
            str(os.getpid()),
            str(int(tie.at_once)),
            str(tie.guard_seconds),
        )
        run = cls(take_line)
        run._transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: run,
            *wrapper,
            *argv,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return run

    @property
    def pid(self) -> int:
        """The process, and the group that it leads."""
        return self._transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._transport.get_returncode()

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the process alone. Harmless after its end."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.send_signal(number)

    def kill_group(self) -> None:
        """SIGKILL to the process and all that it started, without waiting."""
        kill_group(self.pid)

    async def ended_within(self, seconds: float) -> bool:
        """Wait for the end of the process for so long; whether it has come."""
        return await _set_within(self.ended, seconds)

    async def drain(self) -> None:
        """After the end, wait for the last of its output, but not long: what it started may hold the pipe for ever."""
        await _set_within(self.drained, DRAIN_SECONDS)

    async def sweep(self) -> None:
        """Kill what is left of the group, and wait until nothing is."""
        self.kill_group()
        await self.ended.wait()
        await group_gone(self.pid)
        await self.drain()
        self._transport.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The loop's: some output."""
        for line in self._buffer.feed(data):
            self._take_line(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The loop's: the end of the output."""
        for line in self._buffer.end():
            self._take_line(line)
        self.drained.set()

    def process_exited(self) -> None:
        """The loop's: the end of the process."""
        self.ended.set()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
