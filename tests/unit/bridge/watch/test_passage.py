import asyncio

from bridge.watch.passage import Passage


async def test_what_is_in_it_is_waited_for_and_what_comes_after_is_not() -> None:
    passage = Passage()
    await passage.clear()
    for _ in range(3):
        passage.entered()
    clear = asyncio.ensure_future(passage.clear())
    passage.left(2)
    passage.entered()
    assert (repr(passage), clear.done()) == ("<Passage 2 within>", False)

    passage.left(1)

    async with asyncio.timeout(1):
        await clear
