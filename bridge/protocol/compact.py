"""JSON as it stands in updates: compact, UTF-8, strictly JSON, with integers of any size."""

import json
import math
from collections.abc import Mapping

from bridge.errors import UnreadableBytes


def compact(value: object) -> str:
    """Compact JSON of what a JSON parser gave. Numbers that are not finite, which Python's lets pass, become null.

    Raises:
        UnreadableBytes: it is nested so deep that only a parser can take it.
    """
    try:
        return _strict(value)
    except RecursionError as error:
        raise UnreadableBytes("a value is nested too deep to be written again") from error


def _strict(value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
