"""Notice of a stop, while streams can still say goodbye.

uvicorn runs the end of the lifespan only after every response has ended, so a stream that waits for it would wait for
ever. The signal comes first: a handler is put before uvicorn's own, which it calls.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def notice_of_stop(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` when the process is asked to stop. Does nothing outside the main thread, where tests run servers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handle = _first(tell, before)
    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _first(tell: Callable[[], None], before: Mapping[signal.Signals, Any]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        tell()
        old = before[signal.Signals(number)]
        if callable(old):
            old(number, frame)
        elif old == signal.SIG_DFL:  # nobody else handles it, so it must do what it does without us
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    return handle
