"""Metrics, for Prometheus."""

import asyncio

from fastapi import APIRouter, Response

from app.deps import TheEdge
from app.errors import documented
from app.metrics import MEDIA_TYPE, Installation, Process, exposition
from app.routes.health import watchers_alive
from app.schemas import now_ms
from bridge import TaskClient
from bridge.errors import BrokerUnavailable

router = APIRouter(tags=["health"])
EXAMPLE = """\
# HELP petiole_queue_ready Messages that wait for a worker.
# TYPE petiole_queue_ready gauge
petiole_queue_ready{queue="celery"} 3.0
"""
TEXT = {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "The text format of Prometheus.", "content": TEXT}, **documented(503)},
    summary="Metrics, for Prometheus",
)
async def read_metrics(edge: TheEdge) -> Response:
    """Queues, open tasks and watchers, which every replica tells alike, and the requests and streams of this process.

    While Redis does not answer, the process is told of alone, with `petiole_redis_up 0`. 503 only for a caller whose
    key would have to be looked up there.
    """
    process = Process(traffic=edge.traffic, streams=edge.streams.open)
    try:
        installation = await _installation(edge.client)
    except BrokerUnavailable:
        installation = None
    return Response(exposition(process, installation), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def _installation(client: TaskClient) -> Installation:
    backlog, watchers = await asyncio.gather(client.backlog(), watchers_alive(client))
    return Installation(backlog=backlog, watchers=watchers, now_ms=now_ms())
