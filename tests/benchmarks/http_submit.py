"""POST /tasks/submit against a bare FastAPI route with the same models on the same uvicorn."""

import sys

from app.cli.ports import free_port
from tests.benchmarks.load import compared, post
from tests.benchmarks.report import Figure
from tests.benchmarks.services import Bench

GOAL = 0.6
REQUEST = post("/tasks/submit", b'{"data": "sample payload"}')


async def run(bench: Bench) -> list[Figure]:
    """Measure both in turn, each with the machine to itself."""
    ours, bare = free_port(), free_port()
    await bench.start_api(ours, PETIOLE_MAX_QUEUE_DEPTH="100000000", PETIOLE_DEFAULT_TASK="bench.none")
    await bench.start("bare", _uvicorn(bare), bare, {})
    pairs = await compared((ours, REQUEST), (bare, REQUEST))
    return pairs.figures("POST /tasks/submit, 64 connections", "bare FastAPI route", "requests/s", at_least=GOAL)


def _uvicorn(port: int) -> tuple[str, ...]:
    options = ("--port", str(port), "--log-level", "warning", "--loop", "uvloop", "--http", "httptools")
    return (sys.executable, "-m", "uvicorn", "tests.benchmarks.bare:app", *options)
