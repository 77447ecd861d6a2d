import asyncio

import pytest

from bridge.alongside import alongside


async def goes_on() -> None:
    await asyncio.Event().wait()


async def breaks() -> None:
    raise ZeroDivisionError


async def test_work_goes_on_for_as_long_as_the_block_and_its_end_is_told() -> None:
    ends: list[str] = []
    async with alongside(goes_on(), "work", lambda: ends.append("work")):
        assert ends == []
    assert ends == ["work"]


async def test_the_end_of_work_that_breaks_is_told_while_the_block_goes_on_which_raises_it_at_its_end() -> None:
    ended = asyncio.Event()
    with pytest.raises(ZeroDivisionError):
        async with alongside(breaks(), "work", ended.set), asyncio.timeout(5):
            await ended.wait()
