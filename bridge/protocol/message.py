"""A task message of Celery's protocol 2: headers and body (celery/app/amqp.py, ``as_task_v2``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bridge.errors import InvalidMessage
from bridge.protocol.compression import compression_named
from bridge.protocol.saferepr import saferepr
from bridge.protocol.serializers import JSON, Serializer, dumps_checked, json_text, serializer_named
from bridge.protocol.values import check_arguments, check_aware, check_json, check_name, check_task_id, check_task_name

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

    @cached_property
    def form(self) -> "Form":
        """What is written of it but for its id and arguments; made once, also for those that are made by `again`."""
        return _form(self)

    def again(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Self:
        """The message of another task that differs by these alone. Raises as the class does."""
        check_task_id(task_id, "/options/task_id")
        check_arguments(args, kwargs)
        other = object.__new__(type(self))
        vars(other).update(vars(self), form=self.form, task_id=task_id, args=args, kwargs=kwargs)
        return other


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
    form, task_id = message.form, _quoted(message.task_id)
    root = form.root or task_id
    args, kwargs = _shown(message.args, message.argsrepr), _shown(message.kwargs, message.kwargsrepr)
    headers = f'{form.begin}{task_id}{form.until_root}{root}{form.until_args}{args}, "kwargsrepr": {kwargs}{form.end}'
    announced = f'"uuid": {task_id}, "root_id": {root}{form.announced}{args}, "kwargs": {kwargs}{form.announced_end}'
    return EncodedTask(message, headers, announced, _body(message, form.embed), form.content)


class Form(NamedTuple):
    """What is written of a message but for its id and arguments: the parts of `EncodedTask`, from each to the next."""

    begin: str
    until_root: str
    root: str | None
    """None is the task's id."""
    until_args: str
    end: str
    announced: str
    announced_end: str
    embed: str
    """The last part of a body in JSON."""
    content: str


def _form(message: TaskMessage) -> Form:
    name, parent = _quoted(message.task), _text(message.parent_id)
    times = f'"eta": {_time(message.eta)}, "expires": {_time(message.expires)}'
    limits = f"{_value(message.time_limit)}, {_value(message.soft_time_limit)}"
    stamps = json_text(dict(message.stamps)) if message.stamps else "{}"
    return Form(
        begin=f'{{"lang": "py", "task": {name}, "id": ',
        until_root=f', "shadow": {_text(message.shadow)}, {times}, "group": {_text(message.group_id)}, '
        f'"group_index": {_value(message.group_index)}, "retries": {message.retries}, "timelimit": [{limits}], '
        f'"root_id": ',
        root=None if message.root_id is None else _quoted(message.root_id),
        until_args=f', "parent_id": {parent}, "argsrepr": ',
        end=f', "origin": {_quoted(message.origin)}, "ignore_result": {_value(message.ignore_result)}, '
        f'"replaced_task_nesting": 0, "stamped_headers": {_value(message.stamped_headers)}, "stamps": {stamps}'
        f"{_more(_last_headers(message))}}}",
        announced=f', "parent_id": {parent}, "name": {name}, "args": ',
        announced_end=f', "retries": {message.retries}, {times}',
        embed=_embedded_text(message),
        content=JSON_CONTENT if message.serializer is None else _content_of(serializer_named(message.serializer)),
    )


def _shown(arguments: object, text: str | None) -> str:
    if text is None:
        text = saferepr(arguments) if arguments else repr(arguments)
    return _quoted(text)


def _text(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _value(value: object) -> str:
    return "null" if value is None else json_text(value)


def _time(moment: datetime | None) -> str:
    return "null" if moment is None else f'"{moment.isoformat()}"'


def _last_headers(message: TaskMessage) -> Mapping[str, Any]:
    if message.compression is None:
        return message.headers
    return {**message.headers, "compression": compression_named(message.compression).content_type}


def _more(members: Mapping[str, Any]) -> str:
    return f", {json_text(dict(members))[1:-1]}" if members else ""


def _body(message: TaskMessage, embed: str) -> bytes:
    if message.serializer is None:
        body = f"{json_text([message.args, dict(message.kwargs)])[:-1]}, {embed}]".encode()
    else:
        called = (message.args, dict(message.kwargs), _embed(message))
        body = dumps_checked(called, serializer_named(message.serializer))
    return body if message.compression is None else compression_named(message.compression).compress(body)


def content_of(content_type: str, content_encoding: str) -> str:
    """The members of an envelope that say how its body is to be read."""
    return f'"content-encoding": {_quoted(content_encoding)}, "content-type": {_quoted(content_type)}'


def _content_of(serializer: Serializer) -> str:
    return content_of(serializer.content_type, serializer.content_encoding)


JSON_CONTENT = _content_of(JSON)


def _embed(message: TaskMessage) -> dict[str, Any]:
    return {
        "callbacks": message.link,
        "errbacks": message.link_error,
        "chain": message.chain,
        "chord": message.chord,
    }


_NOTHING_EMBEDDED = json_text(dict.fromkeys(("callbacks", "errbacks", "chain", "chord")))


def _embedded_text(message: TaskMessage) -> str:
    nothing = message.link is None and message.link_error is None and message.chain is None and message.chord is None
    return _NOTHING_EMBEDDED if nothing else json_text(_embed(message))
