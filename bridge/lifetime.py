"""Between the opening of something and its end: it may be called, in the event loop that it was opened in."""

import asyncio

from bridge.errors import ClientClosed, WrongLoop


class Lifetime:
    """Of one part of a client. Whoever calls the part is checked; whoever waits in it is the part's own to tell."""

    __slots__ = ("_loop", "closed")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def begin(self) -> None:
        """Belong to the running loop. A part that is not opened belongs to the one that it is first called in."""
        self._loop = asyncio.get_running_loop()

    def check(self) -> asyncio.AbstractEventLoop:
        """Let a call in, before it has changed anything; the running loop.

        Raises:
            ClientClosed: the end has come.
            WrongLoop: it belongs to another loop.
        """
        if self.closed:
            raise ClientClosed
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                raise WrongLoop
            self._loop = loop
        return loop
