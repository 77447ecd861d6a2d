"""A task run again: a new task message out of the one that was stored when the first was submitted."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.encoding import EncodedTask, content_of
from bridge.protocol.message import TaskMessage
from bridge.protocol.saferepr import saferepr
from bridge.protocol.serializers import JSON, json_text
from bridge.protocol.template import WHOLE


def again(payload: bytes, asked: TaskMessage, changed: Mapping[str, Any]) -> EncodedTask:
    """The stored message as that of a new task: the same body, byte by byte, and the same headers but for what is new.

    Id, origin, eta, expiry and limits are those of `asked`; a limit that it has not stays. `changed` may have new
    ``args`` and ``kwargs``, which were checked.

    Raises:
        UnreadableBytes: no task message is stored there.
        InvalidMessage: the body is in another form than JSON, so arguments cannot be changed; or the limits disagree.
    """
    try:
        envelope = json.loads(payload)
        stored, body = dict(envelope["headers"]), b64decode(envelope["body"])
        content_type = str(envelope["content-type"])
        hard, soft = stored["timelimit"]
        message = _message(stored["task"], asked, hard, soft)
        if changed:
            body, shown = _changed(body, content_type, stored, changed)
            stored |= shown
        content = content_of(content_type, str(envelope["content-encoding"]))
    except InvalidMessage:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableBytes(f"not a stored task message: {payload[:80]!r}") from error
    headers = {**stored, **_renewed(message)}
    return EncodedTask(message, WHOLE, (json.dumps(headers),), _announced(headers), body, content)


def _message(task: str, asked: TaskMessage, hard: float | None, soft: float | None) -> TaskMessage:
    return TaskMessage(
        planned=True,  # one of Celery's own tasks as well, as `chunks` makes them
        task=task,
        task_id=asked.task_id,
        origin=asked.origin,
        eta=asked.eta,
        expires=asked.expires,
        time_limit=hard if asked.time_limit is None else asked.time_limit,
        soft_time_limit=soft if asked.soft_time_limit is None else asked.soft_time_limit,
    )


def _renewed(message: TaskMessage) -> dict[str, Any]:
    """What a task has of its own when it is submitted. Its group stays: a chord that still waits for it goes on."""
    return {
        "id": message.task_id,
        "root_id": message.task_id,
        "parent_id": None,
        "retries": 0,
        "eta": message.eta.isoformat() if message.eta else None,
        "expires": message.expires.isoformat() if message.expires else None,
        "timelimit": [message.time_limit, message.soft_time_limit],
        "origin": message.origin,
    }


def _changed(
    body: bytes, content_type: str, headers: Mapping[str, Any], changed: Mapping[str, Any]
) -> tuple[bytes, dict[str, str]]:
    """The body with other arguments, and the headers that show them."""
    if content_type != JSON.content_type or headers.get("compression"):
        raise InvalidMessage(f"/{next(iter(changed))}", "cannot be changed: the stored message is not plain JSON")
    args, kwargs, embed = json.loads(body)
    written = json_text([changed.get("args", args), changed.get("kwargs", kwargs), embed]).encode()
    shown = {f"{name}repr": saferepr(tuple(value) if name == "args" else value) for name, value in changed.items()}
    return written, shown


def _announced(headers: Mapping[str, Any]) -> str:
    told = {
        "uuid": headers["id"],
        "root_id": headers["root_id"],
        "parent_id": None,
        "name": headers["task"],
        "args": headers.get("argsrepr"),
        "kwargs": headers.get("kwargsrepr"),
        **{name: headers[name] for name in ("retries", "eta", "expires")},
    }
    return json.dumps(told)[1:-1]
