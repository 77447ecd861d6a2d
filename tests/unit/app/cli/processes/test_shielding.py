import asyncio

import pytest

from app.cli.processes.shielding import to_the_end


async def test_an_ending_is_finished_although_its_task_is_cancelled_and_each_cancellation_hurries_it() -> None:
    begun, may_end, hurried = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended = False

    async def ending() -> None:
        nonlocal ended
        begun.set()
        await may_end.wait()
        ended = True

    task = asyncio.create_task(to_the_end(ending(), hurry=hurried.set))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await hurried.wait()
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended


async def test_an_ending_that_fails_is_not_taken_for_done() -> None:
    async def ending() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await to_the_end(ending(), hurry=lambda: None)
