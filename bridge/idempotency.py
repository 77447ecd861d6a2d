"""Idempotency keys: how a submit that is sent again is told from another one."""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from bridge.call import Call
from bridge.errors import InvalidMessage

MAX_KEY = 300
_KEY = re.compile(f"[ -~]{{1,{MAX_KEY}}}")
TRACE_HEADERS = frozenset({"traceparent", "tracestate", "baggage"})
"""Headers of a task that say who asked, not for what: a submit that is sent again may have others."""


class Claim(NamedTuple):
    """What a submit claims: a key of its owner, and a fingerprint of what it asks for."""

    owner: str
    key: str
    fingerprint: str


def check_key(key: str, pointer: str) -> None:
    """Check an idempotency key.

    Raises:
        InvalidMessage: it is not 1 to 300 characters of printable ASCII.
    """
    if not _KEY.fullmatch(key):
        raise InvalidMessage(pointer, f"must be 1 to {MAX_KEY} characters of printable ASCII")


def fingerprint(call: Call) -> str:
    """The same for all calls that ask for the same: task, arguments and options as given, the order of names aside.

    What is not JSON counts by its `repr`. An option that is None is as good as not given.
    """
    args, kwargs = (() if call.args is None else call.args), ({} if call.kwargs is None else call.kwargs)
    return sha256(_written((call.task, args, kwargs, _given(call.options))).encode(errors="replace")).hexdigest()[:32]


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    meant = {name: value for name, value in options.items() if name != "idempotency_key"}
    if headers := meant.get("headers"):
        meant["headers"] = {name: value for name, value in headers.items() if name not in TRACE_HEADERS}
    return {name: value for name, value in meant.items() if value is not None and value not in ([], {})}


def _written(meaning: Sequence[object]) -> str:
    try:
        return json.dumps(meaning, sort_keys=True, default=repr)
    except TypeError:  # keys of several types, which Pickle can write
        return repr(meaning)
