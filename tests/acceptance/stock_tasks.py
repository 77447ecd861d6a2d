"""A Celery application of somebody else, with nothing of Petiole in it: ``celery -A tests.acceptance.stock_tasks:app``.

Its tasks do what the shipped ones do not: states of their own, no result, a pace that a test sets.
"""

import os
from typing import Any

from celery import Celery, current_task
from redis import Redis

WAITS_FOR_A_STEP = 60

app = Celery("stock")


def _where_redis_is() -> dict[str, Any]:
    url = os.environ["PETIOLE_REDIS_URL"]
    return {"broker_url": url, "result_backend": url, "broker_connection_retry_on_startup": True}


app.add_defaults(_where_redis_is)


class OutOfFlour(Exception):
    """What `stock.fail` raises."""


@app.task(name="stock.add")
def add(x: float, y: float) -> float:
    """Return the sum."""
    return x + y


@app.task(name="stock.fail")
def fail(message: str) -> None:
    """Fail for good."""
    raise OutOfFlour(message)


@app.task(name="stock.big")
def big(size: int) -> str:
    """Return a text of that many characters."""
    return "x" * size


@app.task(name="stock.bake")
def bake() -> str:
    """Go through states that only this application knows."""
    current_task.update_state(state="KNEADING", meta={"flour": "rye"})
    current_task.update_state(state="BAKING", meta={"current": 1, "total": 2, "oven": 180})
    return "bread"


@app.task(name="stock.silent", ignore_result=True)
def silent() -> str:
    """Store no result."""
    return "nobody reads this"


@app.task(name="stock.flood")
def flood(count: int, size: int) -> int:
    """Report progress faster than anybody should."""
    for step in range(1, count + 1):
        current_task.update_state(state="PROGRESS", meta={"current": step, "total": count, "message": "x" * size})
    return count


@app.task(name="stock.says")
def says(lines: int) -> int:
    """Say so many lines, every other one the same, one in a log, and fail once in the middle."""
    for number in range(lines):
        text = f"line {number}\n" if number % 2 else "…\n"
        current_task.send_event("task-output", text=text)
    current_task.send_event("task-log", level="WARNING", message="all said")
    if current_task.request.retries == 0:
        raise current_task.retry(countdown=0, max_retries=1)
    return lines


@app.task(name="stock.paced")
def paced(steps: int) -> int:
    """Take a step, with progress, each time a test says so. Tells first that it runs, and in which process."""
    task_id = current_task.request.id
    with Redis.from_url(app.conf.broker_url) as redis:
        redis.rpush(f"test:runs:{task_id}", os.getpid())
        for step in range(1, steps + 1):
            if redis.blpop([f"test:step:{task_id}"], WAITS_FOR_A_STEP) is None:
                raise TimeoutError("nobody asked for the next step")
            current_task.update_state(state="PROGRESS", meta={"current": step, "total": steps, "message": "a step"})
    return steps


@app.task(name="stock.echo")
def echo(value: object) -> object:
    """Return what came."""
    return value


@app.task(name="stock.stubborn", bind=True)
def stubborn(self: Any) -> None:
    """Fail, and be retried as often as whoever submitted it said, by what a task of anybody can write for it."""
    attempt = self.request.retries + 1
    raise self.retry(
        exc=OutOfFlour(f"attempt {attempt}"), countdown=0, max_retries=getattr(self.request, "max_retries", None)
    )


@app.task(name="stock.traced", bind=True)
def traced(self: Any) -> list[object]:
    """Return the trace, as OpenTelemetry's instrumentation of Celery looks for it."""
    return [getattr(self.request, name, None) for name in ("traceparent", "tracestate", "baggage")]
