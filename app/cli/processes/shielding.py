"""Ends that must not be left half done."""

import asyncio
from collections.abc import Callable, Coroutine


async def to_the_end(ending: Coroutine[None, None, object], hurry: Callable[[], None]) -> None:
    """Run `ending` to its end even when this task is cancelled meanwhile; then `hurry` is called to make it short.

    The cancellation is raised afterwards.
    """
    task = asyncio.create_task(ending)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
            hurry()
    task.result()
    if cancelled:
        raise asyncio.CancelledError
