"""The Celery application that the examples in the documentation are for: ``celery -A tests.acceptance.proj:app``."""

import os
from typing import Any

from celery import Celery

app = Celery("proj")


def _where_redis_is() -> dict[str, Any]:
    return {"broker_url": os.environ["PETIOLE_REDIS_URL"], "result_backend": os.environ["PETIOLE_RESULT_BACKEND_URL"]}


app.add_defaults(_where_redis_is)


@app.task(name="proj.add")
def add(x: float, y: float) -> float:
    """Return the sum."""
    return x + y


@app.task(name="proj.tsum")
def tsum(numbers: list[float]) -> float:
    """Return the sum of all."""
    return sum(numbers)
