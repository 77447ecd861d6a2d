"""The trust boundary of canvases: a signature within a message is sent by a *worker* later, and would harm others."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.shape import MAPS, ends_in_tasks, members, parts, size, steps
from bridge.protocol.compression import compression_named
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.protocol.serializers import serializer_named
from bridge.protocol.signature import LINKS, Canvas, Chain, Chord, Group, Signature, no_canvas
from bridge.protocol.values import check_aware, check_json, check_tags, check_text

MAX_PARTS = 20_000
"""Signatures in one canvas."""
MAX_NESTING = 16
"""Chains, groups, chords and callbacks within each other."""
MAX_DELAY = 365 * 86_400
"""Seconds that a countdown or a deadline may be away."""
NUMBER = (int, float)
OPTIONS: Mapping[str, tuple[type, ...]] = {
    "queue": (str,),
    "priority": (int,),
    "countdown": NUMBER,
    "eta": (datetime,),
    "expires": (datetime, *NUMBER),
    "time_limit": NUMBER,
    "soft_time_limit": NUMBER,
    "ignore_result": (bool,),
    "shadow": (str,),
    "headers": (dict,),
    "task_id": (str,),
    "serializer": (str,),
    "compression": (str,),
    "argsrepr": (str,),
    "kwargsrepr": (str,),
}
"""What a caller may set on a part, by Celery's names, and the types of it."""
_TEXTS: Mapping[str, Callable[[str, str], object]] = {
    "serializer": serializer_named,
    "compression": compression_named,
    "argsrepr": check_text,
    "kwargsrepr": check_text,
}
"""Options whose texts are looked at here, as no message is made of them before it is sent."""
_OF_THE_CANVAS = {*LINKS, "stamped_headers", "immutable"}
_FIELDS = ("task_id", "eta", "expires", "time_limit", "soft_time_limit", "ignore_result", "shadow", "headers")
_STAMP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
NO_STAMPS = frozenset(
    {
        # A stamp is an option of its own name, so it cannot be one that send_task, as_task_v2 or publish() know …
        *("add_to_parent", "app", "append_stamps", "args", "argsrepr", "body", "callbacks", "chain", "chord"),
        *("compression", "confirm_timeout", "connection", "content_encoding", "content_type", "correlation_id"),
        *("create_sent_event", "declare", "delivery_mode", "eager", "errbacks", "event_dispatcher", "exchange"),
        *("exchange_type", "expiration", "group_id", "group_index", "immediate", "immutable", "interval", "kwargs"),
        *("kwargsrepr", "link", "link_error", "mandatory", "max_retries", "name", "now", "options", "origin"),
        *("parent_id", "producer", "properties", "publisher", "replaced_task_nesting", "reply_to", "result_cls"),
        *("retries", "retry", "retry_policy", "root_id", "route_name", "router", "routing_key", "self", "serializer"),
        *("stamped_headers", "subtask_type", "task", "task_type", "timeout", "timezone", "type", "use_link", "visitor"),
        # … nor a key of a stored result, beside which stamps stand with ``result_extended``.
        *("children", "date_done", "result", "status", "traceback", "worker"),
        # … nor one of the two of which a worker makes a typed value when there are no others, or exits.
        *("__type__", "__value__"),
    }
)


def check_canvas(canvas: Canvas) -> None:
    """Check everything in a canvas by the rules of a single task.

    Raises:
        InvalidMessage: names the first bad place by a JSON pointer into the canvas: ``/header/2/kwargs/a``.
    """
    if _check(canvas, "", 0) > MAX_PARTS:
        raise InvalidMessage("", f"has more than {MAX_PARTS} signatures; split it")


def _check(canvas: object, pointer: str, depth: int) -> int:
    """Check it, and say how many signatures it has."""
    if not isinstance(canvas, Canvas):
        raise no_canvas(canvas, pointer)
    if depth > MAX_NESTING:
        raise InvalidMessage(pointer, f"is nested more than {MAX_NESTING} deep")
    _check_options(canvas, pointer, depth)
    _check_times(canvas, pointer)
    inner = sum(_check(part, f"{pointer}/{place}", depth + 1) for place, part in parts(canvas))
    if isinstance(canvas, Signature):
        _check_task(canvas, pointer)
    elif isinstance(canvas, Chain):
        _check_chain(canvas, pointer)
    elif isinstance(canvas, Chord):
        _check_chord(canvas, pointer)
    return 1 + inner


def queues(canvas: Canvas) -> Iterator[str]:
    """The queues that are named in a canvas, also by what only workers will send."""
    return _given(canvas, "queue")


def chosen_ids(canvas: Canvas) -> Iterator[str]:
    """The ids that a caller has given to parts of a canvas."""
    return _given(canvas, "task_id")


def _given(canvas: Canvas, option: str) -> Iterator[str]:
    if option in canvas.options:
        yield canvas.options[option]
    for _, part in parts(canvas):
        if isinstance(part, Canvas):
            yield from _given(part, option)


# What waits for tasks that are not there waits for ever, so the next two are about canvases that Celery would take.


def _check_chain(chain: Chain, pointer: str) -> None:
    if not chain.tasks:
        raise InvalidMessage(f"{pointer}/tasks", "is empty; a chain needs a task")
    for step, after in pairwise(steps(chain.tasks)):
        if isinstance(step, Group) and not size(after):
            raise InvalidMessage(f"{pointer}/tasks", "has an empty group after a group, so no task to give results to")


def _check_chord(chord: Chord, pointer: str) -> None:
    _check_options(chord.header, f"{pointer}/header", depth=1)
    _check_times(chord.header, f"{pointer}/header")
    if not size(chord.body):
        raise InvalidMessage(f"{pointer}/body", "has no task; a chord needs a body")
    if not all(map(ends_in_tasks, members(chord.header.tasks))):
        raise InvalidMessage(f"{pointer}/header", "has a part that ends in an empty group: the body would never run")


def _check_options(canvas: Canvas, pointer: str, depth: int) -> None:
    stamps = _stamps(canvas, f"{pointer}/options/stamped_headers")
    for name, value in canvas.options.items():
        at = f"{pointer}/options/{name}"
        if name in OPTIONS:
            _check_option(name, value, at)
        elif name in stamps:
            _check_stamp(name, value, at)
        elif name not in _OF_THE_CANVAS:
            raise InvalidMessage(at, f"is not an option of a part; there are {', '.join(OPTIONS)}")
    if depth and "task_id" in canvas.options and not isinstance(canvas, Signature):
        raise InvalidMessage(f"{pointer}/options/task_id", "is for a task, or for the whole; give it to a task")


def _stamps(canvas: Canvas, pointer: str) -> Sequence[str]:
    """The names of its stamps, each of which is an option."""
    stamps = canvas.options.get("stamped_headers", ())
    if not isinstance(stamps, list | tuple) or not all(isinstance(name, str) for name in stamps):
        raise InvalidMessage(pointer, "must be a list of names")
    if missing := [name for name in stamps if name not in canvas.options]:
        raise InvalidMessage(pointer, f"names {missing[0]!r:.80}, which has no value here")
    return stamps


def _check_option(name: str, value: Any, pointer: str) -> None:
    _check_type(value, OPTIONS[name], pointer)
    if name in _TEXTS:
        _TEXTS[name](value, pointer)


def _check_type(value: object, types: tuple[type, ...], pointer: str) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise InvalidMessage(pointer, f"must be a {' or '.join(kind.__name__ for kind in types)}")


def _check_stamp(name: str, value: object, pointer: str) -> None:
    if not _STAMP.fullmatch(name) or name in NO_STAMPS:
        raise InvalidMessage(pointer, "cannot be the name of a stamp; choose another")
    if value is None:  # Celery drops options that are None, and misses a stamp that it was promised
        raise InvalidMessage(pointer, "must not be null")
    # Stamps are headers, and whoever cannot read a header exits: so plain values, nothing that could be typed.
    plain = all(isinstance(one, str | int | float | None) for one in (value if isinstance(value, list) else [value]))
    if not plain:
        raise InvalidMessage(pointer, "must be a text, number or bool, or a list of those and of nulls")
    check_json(value, pointer)


def _check_task(signature: Signature, pointer: str) -> None:
    options = signature.options
    try:
        task, args, kwargs = _called(signature)
        given = {name: options[name] for name in _FIELDS if name in options}
        if not isinstance(given.get("expires"), datetime):
            given.pop("expires", None)
        fields: dict[str, Any] = {"task_id": "one"} | given
        TaskMessage(task=task, args=args, kwargs=kwargs, **fields)
        Route(queue=options.get("queue", "celery"), priority=options.get("priority", 0))
        check_tags(signature.tags, "/options/tags")
    except InvalidMessage as error:
        raise InvalidMessage(f"{pointer}{error.pointer}", error.reason) from error


def _called(signature: Signature) -> tuple[str, tuple[Any, ...], Mapping[str, Any]]:
    """What is called with what. Of the signature in a map a worker takes the name (celery/app/builtins.py)."""
    if signature.task not in MAPS:
        return signature.task, signature.args, signature.kwargs
    mapped = signature.kwargs["task"]
    if not isinstance(mapped, Signature) or mapped.task in MAPS:
        raise InvalidMessage("/kwargs/task", "must be the signature of one task")
    return mapped.task, signature.args, {name: value for name, value in signature.kwargs.items() if name != "task"}


def _check_times(canvas: Canvas, pointer: str) -> None:
    """Also those of what is no task, whose tasks are given them."""
    for name in ("countdown", "expires", "eta"):
        at, given = f"{pointer}/options/{name}", canvas.options.get(name, 0)
        if isinstance(given, datetime):
            check_aware(given, at)
        elif not 0 <= given <= MAX_DELAY:
            raise InvalidMessage(at, f"must be 0 to {MAX_DELAY} seconds")
    if canvas.options.keys() >= {"countdown", "eta"}:
        raise InvalidMessage(f"{pointer}/options/countdown", "cannot be given together with eta")
