"""A task message of Celery's protocol 2: headers and body (celery/app/amqp.py, ``as_task_v2``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.errors import InvalidMessage
from bridge.protocol.compression import compression_named
from bridge.protocol.saferepr import saferepr
from bridge.protocol.serializers import JSON, dumps_checked, json_text, serializer_named
from bridge.protocol.values import check_arguments, check_aware, check_json, check_name, check_task_id, check_task_name

NO_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
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


class EncodedTask(NamedTuple):
    """A task message made ready, in pieces of JSON that the envelope and the ``task-sent`` event are put together from.

    `headers` is an object, `announced` the members of one. `body` is serialized and compressed; `content` says how.
    """

    message: TaskMessage
    headers: str
    announced: str
    body: bytes
    content: str


def encode(message: TaskMessage) -> EncodedTask:
    """The bytes Celery's own `send_task` would send for the same call, by name only: so `ignore_result` is null.

    Written out by hand, since `json.dumps` of the whole takes several times as long.

    Raises:
        InvalidMessage: another serializer than JSON cannot write the arguments.
    """
    begins, shadow, group, origin, name = _letterhead(
        message.task, message.shadow, message.group_id, message.group_index, message.retries, message.time_limit,
        message.soft_time_limit, message.origin, message.ignore_result,
    )  # fmt: skip
    task_id, parent = _quoted(message.task_id), _text(message.parent_id)
    root = task_id if message.root_id is None else _quoted(message.root_id)
    args, kwargs = _shown(message.args, message.argsrepr), _shown(message.kwargs, message.kwargsrepr)
    times = _times(message.eta, message.expires)
    body, content, compressed = _packed(message)
    headers = (
        f'{begins}{task_id}{shadow}{times}{group}{root}, "parent_id": {parent}, "argsrepr": {args}, '
        f'"kwargsrepr": {kwargs}{origin}{_stamped(message)}{_more(message.headers)}{compressed}}}'
    )
    announced = (
        f'"uuid": {task_id}, "root_id": {root}, "parent_id": {parent}, "name": {name}, "args": {args}, '
        f'"kwargs": {kwargs}, "retries": {message.retries}, {times}'
    )
    return EncodedTask(message, headers, announced, body, content)


@lru_cache(1_024, typed=True)  # 5 and 5.0 are written differently
def _letterhead(
    task: str, shadow: str | None, group: str | None, index: int | None, retries: int, hard: float | None,
    soft: float | None, origin: str, ignore_result: bool | None,
) -> tuple[str, str, str, str, str]:  # fmt: skip
    """The parts of the headers that are the same for most calls of a task, and its name: from each to what is not."""
    name = _quoted(task)
    return (
        f'{{"lang": "py", "task": {name}, "id": ',
        f', "shadow": {_text(shadow)}, ',
        f', "group": {_text(group)}, "group_index": {_value(index)}, "retries": {retries}, '
        f'"timelimit": [{_value(hard)}, {_value(soft)}], "root_id": ',
        f', "origin": {_quoted(origin)}, "ignore_result": {_value(ignore_result)}, "replaced_task_nesting": 0, '
        f'"stamped_headers": ',
        name,
    )


def _shown(arguments: object, text: str | None) -> str:
    if text is None:
        text = saferepr(arguments) if arguments else repr(arguments)
    return _quoted(text)


def _text(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _times(eta: datetime | None, expires: datetime | None) -> str:
    return _NEVER if eta is expires is None else f'"eta": {_time(eta)}, "expires": {_time(expires)}'


def _time(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{moment.isoformat()}"'


_NEVER = f'"eta": {_time(None)}, "expires": {_time(None)}'


def _value(value: object) -> str:
    return "null" if value is None else json.dumps(value)


def _stamped(message: TaskMessage) -> str:
    if message.stamped_headers is None and not message.stamps:
        return _NO_STAMPS
    return f'{_value(message.stamped_headers)}, "stamps": {json.dumps(dict(message.stamps))}'


_NO_STAMPS = 'null, "stamps": {}'


def _more(members: Mapping[str, Any]) -> str:
    return f", {json.dumps(dict(members))[1:-1]}" if members else ""


def _packed(message: TaskMessage) -> tuple[bytes, str, str]:
    """The body, what the envelope says of it, and the header of its compression."""
    if message.serializer is None:
        embed = _NOTHING_EMBEDDED if _embeds_nothing(message) else json_text(_embed(message))
        body, content = f"{json_text([message.args, dict(message.kwargs)])[:-1]}, {embed}]".encode(), JSON_CONTENT
    else:
        serializer = serializer_named(message.serializer)
        body = dumps_checked((message.args, dict(message.kwargs), _embed(message)), serializer)
        content = content_of(serializer.content_type, serializer.content_encoding)
    if message.compression is None:
        return body, content, ""
    compression = compression_named(message.compression)
    return compression.compress(body), content, f', "compression": "{compression.content_type}"'


def content_of(content_type: str, content_encoding: str) -> str:
    """The members of an envelope that say how its body is to be read."""
    return f'"content-encoding": {_quoted(content_encoding)}, "content-type": {_quoted(content_type)}'


JSON_CONTENT = content_of(JSON.content_type, JSON.content_encoding)
_NOTHING_EMBEDDED = json_text(NO_EMBED)


def _embeds_nothing(message: TaskMessage) -> bool:
    return message.link is None and message.link_error is None and message.chain is None and message.chord is None


def _embed(message: TaskMessage) -> dict[str, Any]:
    return {
        "callbacks": message.link,
        "errbacks": message.link_error,
        "chain": message.chain,
        "chord": message.chord,
    }
