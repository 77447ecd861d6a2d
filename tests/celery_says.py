"""What workers publish and store, in the shapes that tests/contract/golden has recorded."""

import json
from base64 import b64encode
from typing import Any

from bridge.protocol.compression import compression_named
from bridge.protocol.serializers import serializer_named

WORKER = "w1@example"
TIME = 1_795_488_861.5


def event(kind: str, task_id: str, **fields: Any) -> dict[str, Any]:
    """An event as a worker sends it."""
    usual = {"hostname": WORKER, "utcoffset": 0, "pid": 7, "clock": 3, "timestamp": TIME, "type": kind}
    return {"uuid": task_id, **usual, **fields}


def received(task_id: str, retries: int = 0, **fields: Any) -> dict[str, Any]:
    """``task-received``, which alone says which attempt it is about."""
    told = {"name": "tasks.add", "args": "(1, 2)", "kwargs": "{}", "eta": None, "expires": None}
    return event("task-received", task_id, retries=retries, **{**told, **fields})


def started(task_id: str) -> dict[str, Any]:
    return event("task-started", task_id)


def retried(task_id: str) -> dict[str, Any]:
    return event("task-retried", task_id, exception="ValueError('not yet')", traceback="Traceback …")


def succeeded(task_id: str) -> dict[str, Any]:
    return event("task-succeeded", task_id, result="3", runtime=0.1)


def failed(task_id: str) -> dict[str, Any]:
    return event("task-failed", task_id, exception="ValueError('oops')", traceback="Traceback …")


def heartbeat(hostname: str = WORKER, kind: str = "worker-heartbeat") -> dict[str, Any]:
    load = {"active": 0, "processed": 5, "loadavg": [0.1, 0.2, 0.3]}
    return {"hostname": hostname, "type": kind, "freq": 2.0, "timestamp": TIME, "clock": 9, **load}


def envelope(told: object, **changes: Any) -> bytes:
    """Kombu's envelope around an event, or a list of them."""
    sealed = {
        "body": b64encode(json.dumps(told).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"hostname": WORKER},
        "properties": {"delivery_mode": 1, "body_encoding": "base64", "delivery_tag": "tag"},
    }
    return json.dumps(sealed | changes).encode()


def meta(task_id: str, state: str, result: object = None, **fields: Any) -> bytes:
    """What a worker stores of a task, and publishes."""
    usual = {"status": state, "result": result, "traceback": None, "children": [], "date_done": None}
    return json.dumps({**usual, **fields, "task_id": task_id}).encode()


def exception(kind: str = "ValueError", *message: object) -> dict[str, Any]:
    """The ``result`` of a task that raised."""
    return {"exc_type": kind, "exc_message": list(message), "exc_module": "builtins"}


def written_in(name: str, told: object, compression: str | None = None, **changes: Any) -> bytes:
    """The envelope of an installation that does not write JSON, or compresses."""
    serializer = serializer_named(name)
    written = serializer.dumps(told)
    data = written.encode() if isinstance(written, str) else written
    headers = {"hostname": WORKER, **changes.pop("headers", {})}
    if compression:
        method = compression_named(compression)
        data, headers = method.compress(data), {**headers, "compression": method.content_type}
    kind = {"content-type": serializer.content_type, "content-encoding": serializer.content_encoding}
    return envelope(None, **{"body": b64encode(data).decode(), "headers": headers, **kind, **changes})
