"""POST /v1/task-types/{name}/tasks, checked by its schema, against POST /v1/tasks with the same arguments."""

import json

from app.cli.ports import free_port
from bridge.protocol.keys import Keys
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.load import compared, post
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

GOAL = 0.85
TASK = "bench.none"
PAYLOAD = {"user": "42", "lines": [{"article": "A-17", "count": 3}, {"article": "B-2", "count": 1}], "gift": False}
LINE = {
    "type": "object",
    "properties": {"article": {"type": "string", "maxLength": 40}, "count": {"type": "integer", "minimum": 1}},
    "required": ["article", "count"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "user": {"type": "string"},
        "lines": {"type": "array", "items": LINE, "minItems": 1},
        "gift": {"type": "boolean", "default": False},
    },
    "required": ["user", "lines"],
    "additionalProperties": False,
}
TYPED = post(f"/v1/task-types/{TASK}/tasks", json.dumps(PAYLOAD).encode())
BY_NAME = post("/v1/tasks", json.dumps({"task": TASK, "kwargs": PAYLOAD}).encode())


async def run(bench: Bench) -> list[Figure]:
    """Both at the same process, in turn."""
    await _announce(bench.redis_url)
    port = free_port()
    await bench.start_api(port, PETIOLE_MAX_QUEUE_DEPTH="100000000")
    pairs = await compared((port, TYPED), (port, BY_NAME))
    return pairs.figures(
        "POST /v1/task-types/{name}/tasks, 64 connections", "POST /v1/tasks", "requests/s", at_least=GOAL
    )


async def _announce(url: str) -> None:
    """As workers/catalog.py does it for a worker that runs."""
    task_type = {"name": TASK, "doc": "", "schema": SCHEMA, "queue": "celery", "retry": {}}
    said = {"version": 1, "task_types": [{**task_type, "time_limit": None, "soft_time_limit": None}]}
    settings = BridgeSettings.load(redis_url=url)
    keys = Keys(settings.prefix)
    async with Redis.open(url, settings) as redis:
        await redis.execute("SET", keys.announcement("bench@host"), json.dumps(said))
        await redis.execute("HSET", keys.catalog, "bench@host", "1")
