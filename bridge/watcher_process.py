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
from math import ceil
from typing import Any

from arq import cron
from arq.connections import ArqRedis, RedisSettings

from bridge.address import Tls
from bridge.records.status_store import StatusStore
from bridge.redis import Redis, connection_pool, patience
from bridge.results.backend import ResultBackend
from bridge.settings import BridgeSettings
from bridge.watch.ending import ending_in_time
from bridge.watch.registered_names import RegisteredNames
from bridge.watch.watcher import Installation, Watcher
from bridge.watch.worker_survey import WorkerSurvey

logger = logging.getLogger(__name__)
Context = dict[Any, Any]
"""arq's own type for what the hooks share."""
EVER = 1_000_000
HEALTH_SECONDS = 5
NAMES_AT = set(range(0, 60, 5))
"""Seconds of each minute at which workers that appeared are asked: for the names of their task types, for queues."""


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
            **_connections(settings, queue),
            "job_serializer": _to_json,
            "job_deserializer": json.loads,
            "on_startup": _start,
            "on_shutdown": _stop,
            "ctx": {"settings": settings},
            "cron_jobs": [
                # arq's job keys do not carry the queue's name. Installations in one database would take turns.
                cron(sweep, name=f"{queue}:sweep", second=seconds, unique=True, timeout=300),
                cron(learn_names, name=f"{queue}:learn_names", second=NAMES_AT, unique=True, timeout=60),
                cron(survey_workers, name=f"{queue}:survey_workers", second=NAMES_AT, unique=True, timeout=60),
                cron(release_due, name=f"{queue}:release_due", second=set(range(60)), unique=True, timeout=60),
            ],
            "handle_signals": True,
            "log_results": False,
        },
    )


def _connections(settings: BridgeSettings, queue: str) -> dict[str, object]:
    """arq waits for Redis as long as it takes; without this it would end with the first lost connection."""
    address, (retry, errors) = settings.broker, patience()
    if address.sentinels:  # arq's settings can neither wait for a new master nor speak TLS with one of an own CA
        pool = connection_pool(address, settings.connect_timeout, retry=retry, retry_on_error=errors)
        redis = ArqRedis(pool, job_serializer=_to_json, job_deserializer=json.loads, default_queue_name=queue)
        return {"redis_pool": redis}
    tls = address.tls or Tls()
    redis_settings = RedisSettings(
        host=address.host,
        port=address.port,
        unix_socket_path=address.path or None,
        database=address.database,
        username=address.username,
        password=address.password,
        ssl=address.tls is not None,
        ssl_keyfile=tls.keyfile,
        ssl_certfile=tls.certfile,
        ssl_cert_reqs=tls.verify,
        ssl_ca_certs=tls.ca_certs,
        ssl_check_hostname=tls.check_hostname,
        conn_timeout=ceil(settings.connect_timeout),
        conn_retries=EVER,
        retry=retry,
        retry_on_error=errors,
        retry_on_timeout=True,
    )
    return {"redis_settings": redis_settings}


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


async def learn_names(ctx: Context, *_args: Any, **_kwargs: Any) -> int:
    """Ask workers that announce no task types for their names; done by one watcher of all."""
    names: RegisteredNames = ctx["names"]
    return await names.learn()


async def survey_workers(ctx: Context, *_args: Any, **_kwargs: Any) -> int:
    """Ask workers which queues they consume and how large their pools are; done by one watcher of all."""
    survey: WorkerSurvey = ctx["survey"]
    return await survey.ask()


@asynccontextmanager
async def running_watcher(settings: BridgeSettings) -> AsyncIterator[Watcher]:
    """A watcher that follows for as long as the block runs. When it cannot go on, the process is asked to end."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.broker, settings))
        results = await stack.enter_async_context(Redis.open(settings.backend, settings))
        store = await stack.enter_async_context(StatusStore.open(redis, settings))
        backend, name = ResultBackend(results, settings), f"{socket.gethostname()}:{os.getpid()}"
        watcher = Watcher(Installation.of(redis, store, backend, name), _now_ms)
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
    if main := asyncio.current_task():  # arq's
        await stack.enter_async_context(ending_in_time(main))
    context["names"] = await stack.enter_async_context(RegisteredNames.open(context["settings"], _now_ms))
    context["survey"] = await stack.enter_async_context(WorkerSurvey.open(context["settings"], _now_ms))
    context["watcher"] = await stack.enter_async_context(running_watcher(context["settings"]))


async def _stop(context: Context) -> None:
    if "stack" in context:
        await context["stack"].aclose()
