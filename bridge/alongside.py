"""Work that goes on for as long as a block runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def alongside(
    work: Coroutine[Any, Any, None], name: str, ended: Callable[[], object] | None = None
) -> AsyncIterator[None]:
    """Run `work` as a task of that name, and end it with the block, which then raises what the work has raised.

    `ended` is called when the work has ended, whatever has ended it, also before it had begun.
    """
    task = asyncio.create_task(work, name=name)
    if ended:
        task.add_done_callback(lambda _: ended())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
