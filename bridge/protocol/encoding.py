"""A task message as bytes: headers and body of Celery's protocol 2 (celery/app/amqp.py, ``as_task_v2``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NamedTuple

from bridge.protocol.compression import compression_named
from bridge.protocol.message import TaskMessage
from bridge.protocol.saferepr import saferepr
from bridge.protocol.serializers import JSON, Serializer, dumps_checked, json_text, serializer_named
from bridge.protocol.template import ID, VALUE, Template
from bridge.protocol.values import check_arguments


class EncodedTask(NamedTuple):
    """A task message made ready, in pieces of JSON that the envelope and the ``task-sent`` event are put together from.

    `template` and `values` are its headers, an object; `announced` are the members of one. `body` is serialized and
    compressed; `content` says how.
    """

    message: TaskMessage
    template: Template
    values: tuple[str, ...]
    announced: str
    body: bytes
    content: str

    @property
    def headers(self) -> str:
        """The headers as JSON."""
        return self.template.filled(self.message.task_id, "", self.values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """What is written of a message but for its id and arguments."""

    pattern: TaskMessage
    headers: Template
    """The values are the texts of args and kwargs."""
    root: str | None
    """None is the task's id."""
    announced: str
    announced_end: str
    embed: str
    """The last part of a body in JSON."""
    content: str


class Pattern:
    """Makes messages that differ by id and arguments alone: what they have in common is checked and written once."""

    def __init__(self, message: TaskMessage) -> None:
        self._fields = {**vars(message), "form": form_of(message)}

    def message(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskMessage:
        """One of these messages; `task_id` is one that was checked, or made, here.

        Raises:
            InvalidMessage: the arguments would harm a worker or could not be read back.
        """
        check_arguments(args, kwargs)
        message = object.__new__(TaskMessage)
        vars(message).update(self._fields, task_id=task_id, args=args, kwargs=kwargs)
        return message


def encode(message: TaskMessage) -> EncodedTask:
    """The bytes Celery's own `send_task` would send for the same call, by name only: so `ignore_result` is null.

    Written out by hand, since `json.dumps` of the whole takes several times as long.

    Raises:
        InvalidMessage: another serializer than JSON cannot write the arguments.
    """
    form, task_id = message.form or form_of(message), message.task_id
    args, kwargs = values = _shown(message.args, message.argsrepr), _shown(message.kwargs, message.kwargsrepr)
    root = form.root or f'"{task_id}"'
    announced = f'"uuid": "{task_id}", "root_id": {root}{form.announced}{args}, "kwargs": {kwargs}{form.announced_end}'
    return EncodedTask(message, form.headers, values, announced, _body(message, form.embed), form.content)


def form_of(message: TaskMessage) -> Form:
    """The form of a message."""
    name, parent = _quoted(message.task), _text(message.parent_id)
    times = f'"eta": {_time(message.eta)}, "expires": {_time(message.expires)}'
    limits = f"{_value(message.time_limit)}, {_value(message.soft_time_limit)}"
    stamps = json_text(dict(message.stamps)) if message.stamps else "{}"
    until_root = (
        f'", "shadow": {_text(message.shadow)}, {times}, "group": {_text(message.group_id)}, '
        f'"group_index": {_value(message.group_index)}, "retries": {message.retries}, "timelimit": [{limits}], '
        f'"root_id": '
    )
    until_args = f', "parent_id": {parent}, "argsrepr": '
    root = None if message.root_id is None else _quoted(message.root_id)
    roots = (f'{until_root}"', f'"{until_args}') if root is None else (f"{until_root}{root}{until_args}",)
    end = (
        f', "origin": {_quoted(message.origin)}, "ignore_result": {_value(message.ignore_result)}, '
        f'"replaced_task_nesting": 0, "stamped_headers": {_value(message.stamped_headers)}, "stamps": {stamps}'
        f"{_more(_last_headers(message))}}}"
    )
    return Form(
        pattern=message,
        headers=Template.of(
            ID * len(roots) + VALUE * 2, f'{{"lang": "py", "task": {name}, "id": "', *roots, ', "kwargsrepr": ', end
        ),
        root=root,
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
