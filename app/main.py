"""The application: `uvicorn --factory app.main:create_app`. Importing this module does nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app import access, cross_origin, errors, live_document, response_headers
from app.body import BodyLimit
from app.deps import Edge, Streams
from app.entrance import open_entrance
from app.guard import guarded
from app.request_id import RequestId
from app.routes import (
    batches,
    bulk,
    events,
    feed,
    health,
    metrics,
    openapi,
    queues,
    replay,
    stream_tokens,
    submit,
    task_list,
    task_types,
    tasks,
    workers,
    workflows,
)
from app.settings import Settings
from app.shutdown import notice_of_stop
from app.traffic import Counted, Traffic
from bridge import open_client

DESCRIPTION = """
The asyncio front of Celery: **submit** over REST, **run** on stock Celery workers, **follow** over server-sent events.

1. `POST /tasks/submit` or `POST /v1/tasks` queues a task and answers its `task_id`.
2. `GET /v1/tasks/{task_id}/events` streams what becomes of it; `GET /v1/tasks/{task_id}` says where it is now.
3. `GET /v1/tasks/{task_id}/result` has what it returned.

Every error is a problem document (RFC 9457): `type` is its stable name, `errors` names the fields by JSON pointers.
"""
ROUTERS = (
    submit.direct,
    submit.router,
    task_types.submits,
    batches.router,
    workflows.router,
    tasks.router,
    replay.router,
    bulk.router,
    task_list.router,
    events.router,
    stream_tokens.router,
    feed.router,
    task_types.router,
    queues.router,
    workers.router,
    health.router,
    metrics.router,
    openapi.router,
)
"""In the order in which they are matched: what is called most comes first."""
TAGS = [
    {"name": "submit", "description": "Queue tasks."},
    {"name": "task types", "description": "What the workers that run now can do. An operation for each of them."},
    {"name": "tasks", "description": "What became of them."},
    {"name": "streams", "description": "What becomes of them, while it does."},
    {"name": "installation", "description": "Queues and workers."},
    {"name": "health", "description": "For load balancers and orchestrators."},
]


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application.

    Raises:
        InvalidSettings: a `PETIOLE_` variable has a value that cannot work.
    """
    chosen, traffic = settings or Settings.load(), Traffic()
    app = FastAPIOffline(
        title="Petiole",
        version=version("petiole"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan(chosen, traffic),
        # Given here, routes are matched before those of the documentation, and once: `include_router` matches twice.
        routes=[guarded(route) for router in ROUTERS for route in router.routes],
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    app.add_middleware(BodyLimit, limit=chosen.max_body_bytes, limits={batches.PATH: chosen.max_batch_bytes})
    cross_origin.install(app, chosen.origins)
    app.add_middleware(Counted, traffic=traffic)  # outside of all that answers, so that it misses nothing
    app.add_middleware(RequestId)
    errors.install(app)
    access.install(app)
    response_headers.install(app)
    live_document.install(app)
    return app


def _lifespan(settings: Settings, traffic: Traffic) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with open_client(settings) as client, open_entrance(settings) as entrance:
            streams = Streams(limit=settings.max_streams)
            edge = Edge(settings=settings, client=client, streams=streams, entrance=entrance, traffic=traffic)

            def close_streams() -> None:
                edge.streams.closing = True
                client.wake_followers()

            def stop_noticed() -> None:
                loop.call_soon_threadsafe(close_streams)  # a signal handler runs between any two steps of the loop

            app.state.edge = edge
            with notice_of_stop(stop_noticed):
                yield

    return lifespan
