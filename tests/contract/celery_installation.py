"""A Celery app whose broker and backend are as the environment says: prefixes, steps, exchanges of every kind."""

import json
import os
from typing import Any

from celery import Celery, Task
from kombu import Exchange, Queue
from kombu.common import Broadcast

CONFIGURATION = "CELERY_INSTALLATION"
"""Variable with Celery's own settings, as JSON."""

app = Celery("installation")
app.conf.update(json.loads(os.environ.get(CONFIGURATION, "{}")))
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_track_started=True,
    task_queues=[
        Queue("celery", Exchange("celery"), routing_key="celery"),
        Queue("paint", Exchange("colours", type="direct"), routing_key="red"),
        Queue("all", Exchange("places", type="topic"), routing_key="europe.#"),
        Queue("capitals", Exchange("places", type="topic"), routing_key="*.*.capital"),
        Broadcast("everybody"),
    ],
)


@app.task(name="installation.where", bind=True)
def where(self: "Task[Any, Any]") -> dict[str, Any]:
    """What the worker knows of how the task came to it."""
    return dict(self.request.delivery_info or {})


@app.task(name="installation.add")
def add(x: int, y: int) -> int:
    return x + y


@app.task(name="installation.count")
def count(numbers: list[int]) -> int:
    return sum(numbers)
