"""A task message of Celery's protocol 2: headers and body (celery/app/amqp.py, ``as_task_v2``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.saferepr import saferepr
from bridge.protocol.values import check_arguments, check_aware, check_task_id, check_task_name

NO_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


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

    def __post_init__(self) -> None:
        check_task_name(self.task, "/task")
        check_task_id(self.task_id, "/options/task_id")
        check_arguments(self.args, self.kwargs)
        for name, moment in (("eta", self.eta), ("expires", self.expires)):
            if moment is not None:
                check_aware(moment, f"/options/{name}")
        _check_limits(self.time_limit, self.soft_time_limit)


def _check_limits(hard: float | None, soft: float | None) -> None:
    for name, limit in (("time_limit", hard), ("soft_time_limit", soft)):
        if limit is not None and not 0 < limit < float("inf"):
            raise InvalidMessage(f"/options/{name}", "must be a number of seconds above 0")
    if hard is not None and soft is not None and soft > hard:
        # A worker looks at the hard limit only after the soft one has passed (billiard/pool.py, celery/asynpool.py).
        raise InvalidMessage("/options/soft_time_limit", "must not be longer than time_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTask:
    """A task message made ready: what the envelope and the ``task-sent`` event are built from."""

    message: TaskMessage
    headers: dict[str, Any]
    body: bytes


def encode(message: TaskMessage) -> EncodedTask:
    """The bytes Celery's own `send_task` would send for the same call, by name only: so `ignore_result` is null."""
    body = json.dumps([list(message.args), dict(message.kwargs), NO_EMBED])
    headers: dict[str, Any] = {
        "lang": "py",
        "task": message.task,
        "id": message.task_id,
        "shadow": None,
        "eta": message.eta.isoformat() if message.eta else None,
        "expires": message.expires.isoformat() if message.expires else None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [message.time_limit, message.soft_time_limit],
        "root_id": message.task_id,
        "parent_id": None,
        "argsrepr": saferepr(message.args),
        "kwargsrepr": saferepr(message.kwargs),
        "origin": message.origin,
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    return EncodedTask(message=message, headers=headers, body=body.encode())
