"""The watcher as a process: ``arq bridge.watcher_process.WatcherSettings``. The only import of arq.

arq runs what must be done by exactly one of many: the sweep, and the release of held tasks. Importing this module reads
no settings; asking it for `WatcherSettings` does.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from math import ceil
from typing import Any

from arq import cron
from arq.connections import RedisSettings

from bridge.event_receiver import EventReceiver
from bridge.redis import Redis, patience
from bridge.result_backend import ResultBackend
from bridge.settings import BridgeSettings
from bridge.signs_of_life import SignsOfLife
from bridge.status_store import StatusStore
from bridge.watcher import Watcher

logger = logging.getLogger(__name__)
Context = dict[Any, Any]
"""arq's own type for what the hooks share."""
EVER = 1_000_000
HEALTH_SECONDS = 5


def __getattr__(name: str) -> Any:
    if name == "WatcherSettings":
        return watcher_settings(BridgeSettings.load())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def watcher_settings(settings: BridgeSettings) -> type:
    """The class that arq reads its settings from."""
    seconds = set(range(0, 60, settings.sweep_seconds))
    queue = settings.prefix + "arq"
    return type(
        "WatcherSettings",
        (),
        {
            "queue_name": queue,
            "health_check_key": queue + ":health",
            "health_check_interval": HEALTH_SECONDS,
            "redis_settings": _redis_settings(settings),
            "job_serializer": _to_json,
            "job_deserializer": json.loads,
            "on_startup": _start,
            "on_shutdown": _stop,
            "ctx": {"settings": settings},
            "cron_jobs": [
                cron(sweep, second=seconds, unique=True, timeout=300),
                cron(release_due, second=set(range(60)), unique=True, timeout=60),
            ],
            "handle_signals": True,
            "log_results": False,
        },
    )


def _redis_settings(settings: BridgeSettings) -> RedisSettings:
    """arq waits for Redis as long as it takes; without this it would end with the first lost connection."""
    retry, errors = patience()
    return replace(
        RedisSettings.from_dsn(settings.redis_url),
        conn_timeout=ceil(settings.connect_timeout),
        conn_retries=EVER,
        retry=retry,
        retry_on_error=errors,
        retry_on_timeout=True,
    )


def _to_json(job: dict[str, Any]) -> bytes:
    return json.dumps(job).encode()


async def sweep(ctx: Context, *_args: Any, **_kwargs: Any) -> int:
    """Compare open tasks with the result backend; run by one watcher of all."""
    watcher: Watcher = ctx["watcher"]
    return await watcher.sweep()


async def release_due(ctx: Context, *_args: Any, **_kwargs: Any) -> int:
    """Hand held tasks whose time has come to their queues; run by one watcher of all."""
    watcher: Watcher = ctx["watcher"]
    return await watcher.release_due()


@asynccontextmanager
async def running_watcher(settings: BridgeSettings) -> AsyncIterator[Watcher]:
    """A watcher that follows for as long as the block runs. When it cannot go on, the process is asked to end."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.redis_url, settings))
        results = await stack.enter_async_context(Redis.open(settings.result_backend_url, settings))
        store = await stack.enter_async_context(StatusStore.open(redis, settings))
        signs = SignsOfLife(redis, settings, f"{socket.gethostname()}:{os.getpid()}")
        watcher = Watcher(store, ResultBackend(results, settings), EventReceiver(redis), signs, _now_ms)
        following = asyncio.create_task(watcher.follow(), name="follow")
        following.add_done_callback(_end_process_on_failure)
        try:
            yield watcher
        finally:
            following.cancel()
            await asyncio.wait([following])


def _end_process_on_failure(following: asyncio.Task[None]) -> None:
    if not following.cancelled() and (error := following.exception()):
        logger.critical("the watcher cannot go on, its process ends", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def _now_ms() -> int:
    return int(time.time() * 1000)


async def _start(context: Context) -> None:
    stack = context["stack"] = AsyncExitStack()
    context["watcher"] = await stack.enter_async_context(running_watcher(context["settings"]))


async def _stop(context: Context) -> None:
    if "stack" in context:
        await context["stack"].aclose()
