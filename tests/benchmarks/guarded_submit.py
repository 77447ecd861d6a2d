"""POST /tasks/submit with an API key and a rate limit, against the same without both."""

import time

from app.cli.ports import free_port
from bridge.access.api_keys import ApiKeys, Scope
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.benchmarks.load import compared, post
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

GOAL = 0.85
PATH, BODY = "/tasks/submit", b'{"data": "sample payload"}'
DEEP = {"PETIOLE_MAX_QUEUE_DEPTH": "100000000", "PETIOLE_DEFAULT_TASK": "bench.none"}
GUARDED = {"PETIOLE_AUTH": "keys", "PETIOLE_RATE_LIMIT": "20000", "PETIOLE_RATE_BURST": "10000"}
"""More than one process can take, so that none is refused, and each is counted."""


async def run(bench: Bench) -> list[Figure]:
    """Two processes, in turn."""
    guarded, open_to_all = free_port(), free_port()
    await bench.start_api(guarded, **DEEP, **GUARDED)
    await bench.start_api(open_to_all, **DEEP)
    key = await _key(bench.redis_url)
    with_key = post(PATH, BODY, headers={"Authorization": f"Bearer {key}"})
    pairs = await compared((guarded, with_key), (open_to_all, post(PATH, BODY)))
    return pairs.figures("POST /tasks/submit, key and rate limit", "without both", "requests/s", at_least=GOAL)


async def _key(url: str) -> str:
    settings = BridgeSettings.load(redis_url=url)
    async with Redis.open(url, settings) as redis:
        _, text = await ApiKeys(redis, time.time).create("bench", {Scope.SUBMIT})
    return text
