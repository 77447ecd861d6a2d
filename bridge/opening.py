"""Opening a client: by an address, or by settings."""

from collections.abc import AsyncIterator
from typing import Any

from bridge.async_only import async_only
from bridge.client import TaskClient
from bridge.parts import open_parts
from bridge.settings import BridgeSettings


@async_only
async def open_client(settings: BridgeSettings) -> AsyncIterator[TaskClient]:
    """A client by settings. Redis need not be there yet: each call says whether it is.

    What was submitted is sent at the end of the block. Whoever awaits anything else then gets `ClientClosed`, as does
    whoever calls the client later. A call in another event loop, for example of another thread, raises `WrongLoop`.
    """
    async with open_parts(settings) as parts:
        yield TaskClient(settings=settings, parts=parts)


@async_only
async def connect(url: str | None = None, *, backend: str | None = None, **settings: Any) -> AsyncIterator[TaskClient]:
    """A client of the Celery installation at `url`; its results at `backend`, by default in the same place.

    More `settings` are given by their names in `BridgeSettings`, for example `broker_global_keyprefix`. What is not
    given is read from the environment.

    Raises:
        InvalidSettings: a URL or a variable cannot work.
    """
    given = {name: value for name, value in (("redis_url", url), ("result_backend_url", backend)) if value}
    async with open_client(BridgeSettings.load(**given, **settings)) as client:
        yield client
