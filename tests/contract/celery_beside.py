"""Celery's own client, of whatever version runs this: ``python -m tests.contract.celery_beside``.

Reads calls from standard input, one a line: ``[name, arguments]``. Answers each by one line of Celery's JSON.
Needs nothing but Celery, and imports nothing of ours but the tasks.
"""

import gc
import json
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import celery
from celery import chain, chord, group, signature
from celery.canvas import Signature
from celery.events.state import State
from celery.result import GroupResult, result_from_tuple
from kombu.utils.json import dumps

from tests.contract import celery_control
from tests.contract.celery_tasks import app

DEADLINE = 30


def echo(*args: object, **options: Any) -> "Signature[Any]":
    return signature("golden.echo", args, app=app, **options)


CANVASES: dict[str, Callable[[], "Signature[Any]"]] = {
    "chain": lambda: chain(echo(1), echo(2)),
    "group": lambda: group(echo(number) for number in range(3)),
    "chord": lambda: chord([echo(number) for number in range(3)], echo("body")),
    "nested": lambda: chain(echo(1, immutable=True), group(echo(2), chain(echo(3), echo(4))), echo(5)),
}
"""Workflows as Celery makes them; tests/contract/versions/test_canvas_runs.py has the same as we make them."""


def version() -> str:
    return celery.__version__


def send(name: str, **options: Any) -> str:
    """Send a task; an `eta` is seconds from now and `expires` may be a text, so that they can be written in JSON."""
    if "eta" in options:
        options["eta"] = datetime.now(UTC) + timedelta(seconds=options["eta"])
    if isinstance(options.get("expires"), str):
        options["expires"] = datetime.fromisoformat(options["expires"])
    return str(app.send_task(name, **options).id)


def start(canvas: str) -> object:
    """Start one of the workflows; its result as a tuple of ids."""
    result: Any = CANVASES[canvas]().apply_async()
    return result.as_tuple()


def task_result(task_id: str) -> object:
    """What AsyncResult says of a task that has ended, or will."""
    result: Any = app.AsyncResult(task_id)
    value = result.get(timeout=DEADLINE, propagate=False)
    raised = [type(value).__name__, str(value)] if isinstance(value, BaseException) else None
    return {
        "state": result.state,
        "result": None if raised else value,
        "raised": raised,
        "traceback": result.traceback,
        "children": [child.as_tuple() for child in result.children or ()],
        "date_done": result.date_done is not None,
    }


def results(tree: list[Any]) -> object:
    """What the results of a tree of ids come to, as GroupResult and AsyncResult read them.

    A group is joined: the way that its `get` takes with Redis waits in vain, in Celery 5.3, for a group that ends a
    chain, also for one of Celery's own.
    """
    result: Any = result_from_tuple(tuple(tree), app)
    return result.join(timeout=DEADLINE) if isinstance(result, GroupResult) else result.get(timeout=DEADLINE)


def inspect(method: str, arguments: list[Any], **inquiry: Any) -> object:
    return getattr(app.control.inspect(limit=1, **inquiry), method)(*arguments)


def control(method: str, arguments: list[Any], **options: Any) -> object:
    return getattr(app.control, method)(*arguments, **options)


def replied(name: str, **inquiry: Any) -> object:
    return celery_control.replied(app, name, **inquiry)


def state(events: list[dict[str, Any]]) -> object:
    """What Celery's own memory of events, which Flower shows, makes of these: each task's fields."""
    memory: Any = State()
    for event in events:
        memory.event({**event, "local_received": event["timestamp"]})
    return {task_id: task.info() | {"state": task.state} for task_id, task in memory.tasks.items()}


CALLS: dict[str, Callable[..., object]] = {
    call.__name__: call for call in (version, send, start, task_result, results, inspect, control, replied, state)
}


def main() -> None:
    """Answer until nobody asks any more.

    A result unsubscribes as it is collected. Up to Celery 5.5 and redis-py 5 the collector may do that in the middle of
    another call on the same connection, and the process waits for its own lock for ever; so nothing is collected.
    """
    gc.disable()
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"said": CALLS[name](**arguments)}
        except Exception as error:  # whatever it is, it is told to the one who asked
            answer = {"raised": repr(error)}
        sys.stdout.write(dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
