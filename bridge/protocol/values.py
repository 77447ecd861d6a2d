"""The trust boundary: which values may go into a task message.

A stock worker exits, or drops the task without a word, on values that its JSON hook cannot read (kombu/utils/json.py,
``object_hook``). So every value a caller sends is looked at before it is encoded.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.typed import KEYS, TYPES

MAX_DEPTH = 64
"""Nesting of args and kwargs. Python's own JSON parser, in the worker, gives up near 990."""
MAX_NAME = 255
MAX_TAGS = 32
MAX_TAG = 128
CELERYS_OWN = "celery."
FIRST_YEAR, LAST_YEAR = 1971, 2999
MAX_INT_BITS = 14_284
"""Python's own JSON parser, in the worker, refuses an integer of more than 4,300 digits."""
_LISTS = (list, tuple)
_BIG = 10**18
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]+")
NO_PATTERN = (re.error, OverflowError, RecursionError)
"""What `re.compile` raises for a text that is no regular expression, counts too far or is nested too deep."""
_TASK_ID = re.compile(r"[A-Za-z0-9_.:@+=-]{1,255}")


def check_json(value: object, pointer: str, depth: int = 0) -> None:
    """Check that `value` is JSON, or of a type that Kombu can write: then a stock worker reads it back as it is.

    Raises:
        InvalidMessage: names the first bad place by a JSON pointer below `pointer`.
    """
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        check_text(value, pointer)
    elif type(value) is int or isinstance(value, float):
        _check_number(value, pointer)
    elif depth >= MAX_DEPTH:
        raise InvalidMessage(pointer, f"is nested more than {MAX_DEPTH} deep")
    else:
        _check_nested(value, pointer, depth)


def _check_nested(value: object, pointer: str, depth: int) -> None:
    if isinstance(value, dict):
        _check_object(value, pointer, depth)
    elif isinstance(value, TYPES):
        _check_typed(value, pointer)
    elif isinstance(value, _LISTS):
        for index, inner in enumerate(value):
            if not _is_plain(inner):
                check_json(inner, f"{pointer}/{index}", depth + 1)
    else:
        raise InvalidMessage(pointer, f"is a {type(value).__name__}, which JSON does not have")


def _check_object(value: Mapping[object, object], pointer: str, depth: int) -> None:
    if value.keys() == KEYS:
        raise InvalidMessage(pointer, "has exactly the keys __type__ and __value__, which Celery reserves for itself")
    for key, inner in value.items():
        if not isinstance(key, str):
            raise InvalidMessage(pointer, f"has a key that is a {type(key).__name__}; keys must be texts")
        check_text(key, pointer)
        if not _is_plain(inner):
            check_json(inner, f"{pointer}/{_escape(key)}", depth + 1)


def _is_plain(value: Any) -> bool:
    """Whether a value is one of those that most arguments are, and needs no pointer since nothing is wrong with it."""
    kind = type(value)
    return (kind is str and value.isascii()) or (kind is int and -_BIG < value < _BIG) or value is None or kind is bool


def _check_typed(value: object, pointer: str) -> None:
    # A worker makes it again with the type's own parser, which takes all that the type prints but these.
    if isinstance(value, Decimal) and value.is_snan():
        raise InvalidMessage(pointer, "is a signalling NaN, which cannot be compared")


def _check_number(number: float, pointer: str) -> None:
    if isinstance(number, int):
        if number.bit_length() > MAX_INT_BITS:
            raise InvalidMessage(pointer, "has more than 4,300 digits; send a text instead")
    elif not math.isfinite(number):
        raise InvalidMessage(pointer, f"{number} is not JSON; send null or a text instead")


def check_text(text: str, pointer: str) -> None:
    """Check that a text is made of characters: half of a surrogate pair is none, and cannot be sent."""
    if not text.isascii() and _SURROGATE.search(text):
        raise InvalidMessage(pointer, "has half of a surrogate pair, which is not a character")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


def check_arguments(args: object, kwargs: object) -> None:
    """Check what a task is called with: a list (or tuple) and an object.

    Raises:
        InvalidMessage: names the first bad place by a JSON pointer.
    """
    if not isinstance(args, _LISTS):
        raise InvalidMessage("/args", "must be a list")
    if not all(map(_is_plain, args)):
        check_json(args, "/args")
    if type(kwargs) is not dict:
        if not isinstance(kwargs, Mapping):
            raise InvalidMessage("/kwargs", "must be an object")
        kwargs = dict(kwargs)
    if kwargs:
        check_json(kwargs, "/kwargs")


def check_tags(tags: Sequence[object], pointer: str) -> None:
    """Check the labels that a caller gives a task.

    Raises:
        InvalidMessage: there are more than `MAX_TAGS`, or one is not 1 to `MAX_TAG` printable characters.
    """
    check_type(tags, (list, tuple), pointer)
    if len(tags) > MAX_TAGS:
        raise InvalidMessage(pointer, f"has more than {MAX_TAGS} tags")
    for index, tag in enumerate(tags):
        if not isinstance(tag, str) or not 0 < len(tag) <= MAX_TAG or not tag.isprintable():
            raise InvalidMessage(f"{pointer}/{index}", f"must be 1 to {MAX_TAG} printable characters")


def check_name(name: str, pointer: str) -> None:
    """Check the name of a task or queue: 1 to 255 characters, no white space, nothing unprintable."""
    check_type(name, (str,), pointer)
    if len(name) > MAX_NAME:
        raise InvalidMessage(pointer, f"is longer than {MAX_NAME} characters")
    if not _NAME.fullmatch(name):
        raise InvalidMessage(pointer, "must be a name without white space or control characters, and not empty")


def check_task_name(name: str, pointer: str) -> None:
    """Check the name of a task to run: a name, and none of Celery's own.

    ``celery.group`` and its like send whatever messages their arguments describe, so a client could have a worker send
    what kills all workers: a signature with ``{"options": {"headers": {"timelimit": 5}}}`` does.
    """
    check_type(name, (str,), pointer)
    _check_task_name(name, pointer)


@lru_cache(1_024)
def _check_task_name(name: str, pointer: str) -> None:
    check_name(name, pointer)
    if name.startswith(CELERYS_OWN):
        raise InvalidMessage(pointer, f"must not start with {CELERYS_OWN!r}, as Celery's own parts of workflows do")


def check_task_id(task_id: str, pointer: str) -> None:
    """Check an id: 1 to 255 of ``A-Z a-z 0-9 _ . : @ + = -``, so that it is safe in keys, channels and URLs."""
    if not _TASK_ID.fullmatch(task_id):
        raise InvalidMessage(pointer, "must be 1 to 255 characters of A-Z a-z 0-9 _ . : @ + = -")


def check_aware(moment: datetime, pointer: str) -> None:
    """Check that a time says its offset: a worker would read a naive one in *its* time zone.

    Years are bounded, since the worker converts times between zones, which fails at the ends of the calendar.
    """
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidMessage(pointer, f"must be a year from {FIRST_YEAR} to {LAST_YEAR}")
    if moment.utcoffset() is None:
        raise InvalidMessage(pointer, "has no UTC offset; write it like 2026-01-31T12:00:00Z")


def check_type(value: object, types: tuple[type, ...], pointer: str) -> None:
    """Check that a value is of one of `types`. A bool is no number here."""
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise InvalidMessage(pointer, f"must be a {' or '.join(kind.__name__ for kind in types)}")
