"""Contexts for ``async with`` that tell whoever writes ``with`` what to write."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from types import TracebackType
from typing import Generic, NoReturn, ParamSpec, TypeVar

Opened = TypeVar("Opened")
Asked = ParamSpec("Asked")


class AsyncOnly(AbstractAsyncContextManager[Opened], Generic[Opened]):
    """A context for ``async with``."""

    def __init__(self, context: AbstractAsyncContextManager[Opened], name: str) -> None:
        self._context = context
        self._name = name

    async def __aenter__(self) -> Opened:
        return await self._context.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)

    def __enter__(self) -> NoReturn:
        raise TypeError(
            f"the client is for asyncio: write `async with {self._name}(…)` within `async def`, and start that by "
            "`asyncio.run(…)`. In a program without asyncio use Celery's own client."
        )

    def __exit__(self, *_: object) -> None:
        """Never reached; without it ``with`` would complain of that and not say what helps."""


def async_only(make: Callable[Asked, AsyncIterator[Opened]]) -> Callable[Asked, AsyncOnly[Opened]]:
    """As `contextlib.asynccontextmanager`, with that hint."""
    opening = asynccontextmanager(make)

    @wraps(make)
    def opened(*args: Asked.args, **kwargs: Asked.kwargs) -> AsyncOnly[Opened]:
        return AsyncOnly(opening(*args, **kwargs), make.__name__)

    return opened
