"""`TaskClient.submit` by 64 callers against Celery's `send_task`, arq, taskiq and streaq, each in its own process."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.report import Figure, Pairs
from tests.benchmarks.services import Bench
from tests.environments import environment

ROUNDS = 5
COUNT = {"petiole": 20_000, "celery": 2_000, "arq": 4_000, "taskiq": 4_000, "streaq": 4_096}
RIVALS = ("arq", "taskiq", "streaq")
TIMES_CELERY, TIMES_THE_BEST = 15, 5
FLOOR = 10_000
Round = Mapping[str, Mapping[str, float]]
"""Tasks per second of one round: by producer, by the way it submits."""


async def run(bench: Bench) -> list[Figure]:
    """Measure all of them in turn, so often."""
    with environment("rivals", "rivals") as python:
        pythons = {name: python if name in ("taskiq", "streaq") else Path(sys.executable) for name in COUNT}
        rounds = [{name: await _rates(bench, pythons[name], name) for name in COUNT} for _ in range(ROUNDS)]
    return [
        *_against(rounds, "submit", "celery", TIMES_CELERY),
        *(figure for rival in RIVALS for figure in _against(rounds, "submit", rival, TIMES_THE_BEST)),
        Figure(
            name="TaskClient.submit, fastest round",
            value=max(one["petiole"]["submit"] for one in rounds),
            unit="tasks/s",
            at_least=FLOOR,
        ),
    ]


async def _rates(bench: Bench, python: Path, name: str) -> dict[str, float]:
    argv = (str(python), "-m", f"tests.benchmarks.producers.with_{name}", bench.redis_url, str(COUNT[name]))
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    rates: dict[str, float] = json.loads(said)
    return rates


def _against(rounds: Sequence[Round], way: str, other: str, at_least: float) -> list[Figure]:
    pairs = Pairs(
        ours=[one["petiole"][way] for one in rounds],
        theirs=[one[other][way] for one in rounds],
    )
    return pairs.figures(f"TaskClient.{way}", f"{other} {way}", "tasks/s", at_least=at_least)
