"""Values that JSON does not have, as Kombu writes them: ``{"__type__": …, "__value__": …}`` (kombu/utils/json.py)."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

KEYS = {"__type__", "__value__"}
_TO: dict[type, tuple[str, Callable[[Any], object]]] = {  # in this order, since a datetime is a date as well
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    Decimal: ("decimal", str),
    UUID: ("uuid", lambda value: {"hex": value.hex}),
}
TYPES = (*_TO, bytes)
"""Types that a stock worker makes again out of what `to_typed` writes."""


def to_typed(value: object) -> dict[str, Any]:
    """How Kombu writes a value of one of `TYPES`; for ``json.dumps(default=…)``.

    Raises:
        TypeError: it is of no such type.
    """
    for kind, (name, write) in _TO.items():
        if isinstance(value, kind):
            return _as(name, write(value))
    if isinstance(value, bytes):
        return _bytes(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _as(kind: str, value: object) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}


def _bytes(value: bytes) -> dict[str, Any]:
    try:
        return _as("bytes", value.decode())
    except UnicodeDecodeError:
        return _as("base64", b64encode(value).decode())


_FROM: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda parts: UUID(parts["hex"]),
    "bytes": lambda text: text.encode(),
    "base64": b64decode,
}


def from_typed(value: Any) -> Any:
    """A value out of JSON with all typed values made again. What is not understood stays as it stands there."""
    if isinstance(value, list):
        return [from_typed(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == KEYS and isinstance(value["__type__"], str):
        return _made_again(value)
    return {key: from_typed(inner) for key, inner in value.items()}


def _made_again(typed: dict[str, Any]) -> Any:
    make = _FROM.get(typed["__type__"])
    try:
        return make(typed["__value__"]) if make else typed
    except (ValueError, ArithmeticError, TypeError, KeyError, AttributeError):
        return typed
