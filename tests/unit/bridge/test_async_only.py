from collections.abc import AsyncIterator

import pytest

from bridge import connect, open_client
from bridge.async_only import async_only
from bridge.settings import BridgeSettings


@async_only
async def opened(number: int) -> AsyncIterator[int]:
    """A number, for a while."""
    try:
        yield number
    except LookupError:
        return


async def test_it_is_a_context_like_any_other() -> None:
    async with opened(5) as number:
        assert number == 5
    async with opened(5):
        raise LookupError


def test_a_client_opened_without_asyncio_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"write `async with connect\(…\)` within `async def`"), connect():
        pass
    with pytest.raises(TypeError, match="Celery's own client"), open_client(BridgeSettings.load()):
        pass


async def test_the_hint_is_the_same_within_asyncio() -> None:
    with pytest.raises(TypeError, match="async with opened"), opened(5):
        pass
