"""A plain Celery app, with a task for each thing that may become of one."""

import gc
import math
import os
from threading import Event
from typing import Any

from celery import Celery, Task, chain, chord, group
from celery.exceptions import Reject
from celery.signals import worker_process_init

URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = Celery("golden", broker=URL, backend=URL)
app.conf.update(task_track_started=True, task_send_sent_event=True, broker_connection_retry_on_startup=True)


@worker_process_init.connect
def keep_garbage(**_: object) -> None:
    """A result that is collected while Celery subscribes to another waits for ever, for a lock that is held: with it a
    process that starts a group or chord."""
    gc.disable()


@app.task(name="golden.echo")
def echo(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]


@app.task(name="golden.request", bind=True)
def request(self: "Task[Any, Any]", *names: str) -> dict[str, Any]:
    """What the worker knows of the task while it runs, by these names."""
    return {name: getattr(self.request, name, None) for name in names}


@app.task(name="golden.is_told")
def is_told(task_id: str) -> str:
    """An errback; of one with more parameters the worker would make no task of its own."""
    return task_id


@app.task(name="golden.forgets", ignore_result=True)
def forgets() -> str:
    return "nobody asked"


@app.task(name="golden.odd")
def odd() -> list[float]:
    return [math.nan, math.inf]


@app.task(name="golden.large")
def large() -> str:
    return "x" * 20_000


@app.task(name="golden.fails")
def fails() -> None:
    raise ValueError("it's broken", 5)


@app.task(name="golden.retries", bind=True, max_retries=2)
def retries(self: "Task[Any, Any]") -> int:
    if self.request.retries < 2:
        raise self.retry(exc=RuntimeError(f"try {self.request.retries}"), countdown=0)
    return int(self.request.retries)


@app.task(name="golden.retries_later", bind=True, max_retries=1)
def retries_later(self: "Task[Any, Any]") -> int:
    if not self.request.retries:
        raise self.retry(exc=RuntimeError("not yet"), countdown=0.5)
    return int(self.request.retries)


@app.task(name="golden.gives_up", bind=True, max_retries=1)
def gives_up(self: "Task[Any, Any]") -> None:
    raise self.retry(exc=RuntimeError("never"), countdown=0)


@app.task(name="golden.retries_as_asked", bind=True)
def retries_as_asked(self: "Task[Any, Any]") -> None:
    most = getattr(self.request, "max_retries", None)
    raise self.retry(exc=RuntimeError(f"attempt {self.request.retries + 1}"), countdown=0, max_retries=most)


@app.task(name="golden.reports", bind=True)
def reports(self: "Task[Any, Any]") -> str:
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2, "message": "half"})
    self.update_state(state="BAKING", meta={"degrees": 180})
    return "done"


@app.task(name="golden.sends_progress", bind=True)
def sends_progress(self: "Task[Any, Any]") -> str:
    self.send_event("task-progress", current=1, total=2, message="half")
    return "done"


@app.task(name="golden.rejects", acks_late=True)
def rejects() -> None:
    raise Reject("unusable", requeue=False)


@app.task(name="golden.naps")
def naps(seconds: float) -> None:
    """Something that runs long enough to be stopped."""
    Event().wait(seconds)


@app.task(name="golden.told")
def told(task_id: str) -> str:
    """A callback for errors that is sent as a message: a worker calls one with more parameters where it is."""
    return task_id


@app.task(name="golden.starts")
def starts() -> None:
    """Starts others, which are its children."""
    echo.delay(1)
    group(echo.s(2), echo.s(3)).delay()


@app.task(name="golden.gives_way", bind=True)
def gives_way(self: "Task[Any, Any]", to: str) -> None:
    """Lets a canvas run in its place."""
    several = group(echo.si(number) for number in range(3))
    canvases = {
        "signature": echo.si(1),
        "chain": chain(echo.si(1), echo.s(2)),
        "group": several,
        "chord": chord(several, echo.s()),
    }
    raise self.replace(canvases[to])
