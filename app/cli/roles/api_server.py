"""The server of `petiole api`: uvicorn, that ends with the exit code of a process that was asked to, and cuts off
clients that do not read."""

import asyncio
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from app.cli.exit_codes import INTERRUPTED
from app.cli.roles.logs import log_config
from app.settings import Settings

GRACEFUL_SECONDS = 5
Protocol = TypeVar("Protocol", bound=asyncio.Protocol)
EXIT_CODES = {signal.SIGTERM: 0, signal.SIGINT: INTERRUPTED}


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Raises SystemExit with the exit code."""
    for number, code in EXIT_CODES.items():
        # uvicorn raises a signal once more when it has obeyed it; by default that kills the process.
        signal.signal(number, _exit_with(code))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        http=impatient(AutoHTTPProtocol, settings.send_timeout),
        log_config=log_config(settings.log_level),
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        server_header=False,
    )


def _exit_with(code: int) -> Callable[[int, FrameType | None], None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        sys.exit(code)

    return handle


def impatient(protocol: type[Protocol], seconds: float) -> type[Protocol]:
    """The protocol, aborting a connection whose client leaves unread for so long what waits for it.

    To close it would not do: that waits until all has been taken.
    """

    class Impatient(protocol):  # type: ignore[misc, valid-type]  # which one it is depends on what is installed
        _cut_off: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._cut_off = asyncio.get_running_loop().call_later(seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._keep()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._keep()
            super().connection_lost(exc)

        def _keep(self) -> None:
            if self._cut_off:
                self._cut_off.cancel()

    return Impatient
