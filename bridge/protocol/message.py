"""A task message of Celery's protocol 2: headers and body (celery/app/amqp.py, ``as_task_v2``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.saferepr import saferepr
from bridge.protocol.typed import to_typed
from bridge.protocol.values import check_arguments, check_aware, check_json, check_name, check_task_id, check_task_name

NO_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
RESERVED_HEADERS = frozenset(
    {
        *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
        *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers"),
        *("stamps", "compression", "redelivered", "hostname", "clock"),
    }
)
"""Headers that a worker obeys: set by the fields of a message, never by a caller's own headers."""
Signature = Mapping[str, Any]
"""A signature as it stands in a message. It is obeyed by workers, so it is made by `bridge.protocol.canvas` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """One task to run. Times are aware datetimes; limits are seconds.

    Raises:
        InvalidMessage: a field would harm a worker or could not be read back; `pointer` names it.
    """

    task: str
    task_id: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    eta: datetime | None = None
    expires: datetime | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    origin: str = ""
    shadow: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    ignore_result: bool | None = None
    """None leaves it to the task."""
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    group_index: int | None = None
    stamps: Mapping[str, Any] = field(default_factory=dict)
    stamped_headers: Sequence[str] | None = None
    link: Sequence[Signature] | None = None
    link_error: Sequence[Signature] | None = None
    chain: Sequence[Signature] | None = None
    chord: Signature | None = None
    planned: bool = False
    """Made out of a canvas that was checked as a whole; it may be one of Celery's own tasks."""

    def __post_init__(self) -> None:
        check_task_id(self.task_id, "/options/task_id")
        if not self.planned:
            check_task_name(self.task, "/task")
            check_arguments(self.args, self.kwargs)
        for name, moment in (("eta", self.eta), ("expires", self.expires)):
            if moment is not None:
                check_aware(moment, f"/options/{name}")
        _check_limits(self.time_limit, self.soft_time_limit)
        if self.headers or self.shadow is not None:
            _check_headers(self.headers, self.shadow)


def _check_limits(hard: float | None, soft: float | None) -> None:
    for name, limit in (("time_limit", hard), ("soft_time_limit", soft)):
        if limit is not None and not 0 < limit < float("inf"):
            raise InvalidMessage(f"/options/{name}", "must be a number of seconds above 0")
    if hard is not None and soft is not None and soft > hard:
        # A worker looks at the hard limit only after the soft one has passed (billiard/pool.py, celery/asynpool.py).
        raise InvalidMessage("/options/soft_time_limit", "must not be longer than time_limit")


def _check_headers(headers: Mapping[str, Any], shadow: str | None) -> None:
    if shadow is not None:
        check_name(shadow, "/options/shadow")
    check_json(dict(headers), "/options/headers")
    for name in headers:
        if name in RESERVED_HEADERS:
            raise InvalidMessage(f"/options/headers/{name}", "is a header that Celery sets itself; choose another name")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTask:
    """A task message made ready: what the envelope and the ``task-sent`` event are built from."""

    message: TaskMessage
    headers: dict[str, Any]
    body: bytes


def encode(message: TaskMessage) -> EncodedTask:
    """The bytes Celery's own `send_task` would send for the same call, by name only: so `ignore_result` is null."""
    body = _dumps([list(message.args), dict(message.kwargs), _embed(message) if message.planned else NO_EMBED])
    headers: dict[str, Any] = {
        "lang": "py",
        "task": message.task,
        "id": message.task_id,
        "shadow": message.shadow,
        "eta": message.eta.isoformat() if message.eta else None,
        "expires": message.expires.isoformat() if message.expires else None,
        "group": message.group_id,
        "group_index": message.group_index,
        "retries": 0,
        "timelimit": [message.time_limit, message.soft_time_limit],
        "root_id": message.root_id or message.task_id,
        "parent_id": message.parent_id,
        "argsrepr": saferepr(message.args),
        "kwargsrepr": saferepr(message.kwargs),
        "origin": message.origin,
        "ignore_result": message.ignore_result,
        "replaced_task_nesting": 0,
        "stamped_headers": message.stamped_headers,
        "stamps": message.stamps,
        **message.headers,
    }
    return EncodedTask(message=message, headers=headers, body=body.encode())


def _embed(message: TaskMessage) -> dict[str, Any]:
    return {
        "callbacks": message.link,
        "errbacks": message.link_error,
        "chain": message.chain,
        "chord": message.chord,
    }


_dumps = json.JSONEncoder(default=to_typed).encode
