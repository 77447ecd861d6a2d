"""Ctrl-C and its kin as cancellation, so that every `async with` ends as it should, at whatever moment they come."""

import asyncio
import signal
from collections.abc import Callable, Coroutine

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(main: Callable[[], Coroutine[None, None, int]], *, interrupted: int) -> int:
    """Run a coroutine to its exit code, or to `interrupted` when a signal ended it.

    Each signal cancels it once: the first starts the end, and a second one may hurry it (see `Supervisor`).
    """
    return asyncio.run(_cancelled_by_signals(main, interrupted))


async def _cancelled_by_signals(main: Callable[[], Coroutine[None, None, int]], interrupted: int) -> int:
    task = asyncio.ensure_future(main())
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return interrupted
