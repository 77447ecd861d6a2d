"""An end that does not wait for ever: arq says goodbye to Redis, and would wait for it as long as it takes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

logger = logging.getLogger(__name__)
END_SECONDS = 2.0
"""How long the end may take. What it leaves undone expires: signs of life, and arq's marks of jobs that ran."""


@asynccontextmanager
async def ending_in_time(main: "asyncio.Task[object]", within: float = END_SECONDS) -> AsyncIterator[None]:
    """Enter this first of what `main` runs on: if it has not been left `within` seconds after main's end, the process
    ends: with exit code 0 when main was cancelled, as arq does at a signal, else with 1."""
    guard = asyncio.create_task(_end_process(main, within), name="ending")
    try:
        yield
    finally:
        guard.cancel()


async def _end_process(main: "asyncio.Task[object]", within: float) -> None:
    await asyncio.wait([main])
    await asyncio.sleep(within)
    logger.warning("Redis does not answer, so this process ends without a goodbye to it")
    raise SystemExit(0 if main.cancelled() else 1)
