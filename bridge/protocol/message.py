"""A task message of Celery's protocol 2 (celery/app/amqp.py, ``as_task_v2``): what may be in it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from bridge.errors import InvalidMessage
from bridge.protocol.values import check_arguments, check_aware, check_json, check_name, check_task_id, check_task_name

if TYPE_CHECKING:
    from bridge.protocol.encoding import Form

RESERVED_HEADERS = frozenset(
    {
        *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
        *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers"),
        *("stamps", "compression", "redelivered", "hostname", "clock"),
        # The attributes of a worker's `Context` (celery/app/task.py), over which it writes the headers.
        *("args", "as_execution_options", "callbacks", "called_directly", "chain", "children", "chord", "clear"),
        *("correlation_id", "delivery_info", "errbacks", "get", "headers", "is_eager", "kwargs", "logfile", "loglevel"),
        *("properties", "reply_to", "taskset", "update", "utc"),
    }
)
"""Headers that a worker obeys: set by the fields of a message, never by a caller's own headers."""
MAX_LIMIT = 31_536_000
"""Seconds of a time limit, a year; a worker adds it to its clock, and fails where a number is too large for that."""
MIN_HARD_LIMIT = 0.1
"""Seconds. A process that is killed as soon as it has its task may hold what its pool waits for: the worker hangs."""
Signature = Mapping[str, Any]
"""A signature as it stands in a message. It is obeyed by workers, so it is made by `bridge.protocol.canvas` alone."""


@dataclass(frozen=True, kw_only=True)
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
    retries: int = 0
    argsrepr: str | None = None
    """What Flower shows in the place of `args`; made of them when it is None. So for `kwargsrepr`."""
    kwargsrepr: str | None = None
    correlation_id: str | None = None
    """The task's id when it is None."""
    serializer: str | None = None
    """JSON when it is None."""
    compression: str | None = None
    planned: bool = False
    """Made out of a canvas that was checked as a whole; it may be one of Celery's own tasks."""
    form: ClassVar["Form | None"] = None
    """What others that a `Pattern` has made are written with as well."""

    if not TYPE_CHECKING:  # pragma: no branch  # it takes what the dataclass says that it takes

        def __init__(self, **fields: Any) -> None:
            # What is not given stands in the class: to set all thirty fields takes as long as half of all the checks.
            vars(self).update({"kwargs": {}, "headers": {}, "stamps": {}, **fields})
            if not _FIELDS.issuperset(fields):
                raise TypeError(f"not fields of a message: {fields.keys() - _FIELDS}")
            self.__post_init__()

    def __post_init__(self) -> None:
        check_task_id(self.task_id, "/options/task_id")
        if not self.planned:
            check_task_name(self.task, "/task")
            check_arguments(self.args, self.kwargs)
        if self.eta is not None:
            check_aware(self.eta, "/options/eta")
        if self.expires is not None:
            check_aware(self.expires, "/options/expires")
        if self.time_limit is not None or self.soft_time_limit is not None:
            _check_limits(self.time_limit, self.soft_time_limit)
        if self.headers or self.shadow is not None:
            _check_headers(self.headers, self.shadow)


_FIELDS = frozenset(TaskMessage.__dataclass_fields__)


def _check_limits(hard: float | None, soft: float | None) -> None:
    for name, limit in (("time_limit", hard), ("soft_time_limit", soft)):
        if limit is not None and not 0 < limit <= MAX_LIMIT:
            raise InvalidMessage(f"/options/{name}", "must be a number of seconds above 0, and a year at the most")
    if hard is not None and hard < MIN_HARD_LIMIT:
        raise InvalidMessage(
            "/options/time_limit", f"must be at least {MIN_HARD_LIMIT} seconds; a worker hangs with less"
        )
    if hard is not None and soft is not None and soft > hard:
        # A worker looks at the hard limit only after the soft one has passed (billiard/pool.py, celery/asynpool.py).
        raise InvalidMessage("/options/soft_time_limit", "must not be longer than time_limit")


def _check_headers(headers: Mapping[str, Any], shadow: str | None) -> None:
    if shadow is not None:
        check_name(shadow, "/options/shadow")
    check_json(dict(headers), "/options/headers")
    for name, value in headers.items():
        if name in RESERVED_HEADERS or name.startswith("_"):
            raise InvalidMessage(f"/options/headers/{name}", "is a header that Celery sets itself; choose another name")
        _check_plain(value, f"/options/headers/{name}")


def _check_plain(value: object, pointer: str) -> None:
    """Check that a value that `check_json` let pass has no typed values: a worker that cannot read a header exits."""
    try:
        json.dumps(value)
    except TypeError as error:
        raise InvalidMessage(pointer, f"must be plain JSON, as headers are: {error}") from error
