"""Idempotency keys: how a submit that is sent again is told from another one."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, NamedTuple

from bridge.errors import InvalidMessage, PetioleError
from bridge.protocol.signature import Canvas
from bridge.submit.call import Call

MAX_KEY = 300
_KEY = re.compile(f"[ -~]{{1,{MAX_KEY}}}")
TRACE_HEADERS = frozenset({"traceparent", "tracestate", "baggage"})
"""Headers of a task that say who asked, not for what: a submit that is sent again may have others."""


_BATCH = "batch:"
UNKNOWN = f"{_BATCH}?"
"""The digest of a batch of which the end has not been seen."""


class Claim(NamedTuple):
    """What a submit claims: a key of its owner, and a fingerprint of what it asks for.

    Of many tasks with one key each claims a `part` of it.
    """

    owner: str
    key: str
    fingerprint: str
    part: str = ""
    answer: str = ""
    """What is told to who claims it again; the id of the task when it is empty. With one, it is a claim of all tasks of
    the call, and the first makes it."""

    @property
    def name(self) -> str:
        """What Redis knows the key by. A part stands after a space, which no key that comes over HTTP has."""
        return f"{self.key} {self.part}" if self.part else self.key


class Digest:
    """Tells batches apart: the same for all that ask for the same tasks in the same order."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.count = 0
        """Items so far."""

    def __str__(self) -> str:
        return f"{_BATCH}{self.count}:{self._hash.hexdigest()[:32]}"

    def add(self, item: Call | PetioleError) -> None:
        """One more item; an error stands for one that could not be read."""
        said = fingerprint(item) if isinstance(item, Call) else f"refused {item}"
        self._hash.update(f"{said}\n".encode(errors="replace"))
        self.count += 1


def agree(one: str, other: str) -> bool:
    """Whether two digests may be of the same: they are equal, or of batches and one of them is `UNKNOWN`."""
    return one == other or (UNKNOWN in (one, other) and one.startswith(_BATCH) and other.startswith(_BATCH))


def most_items(digest: str) -> int | None:
    """How many items a batch with this digest has; None when that is not known."""
    return None if digest == UNKNOWN else int(digest.split(":")[1])


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
    return digest_of(call.task, args, kwargs, _given(call.options))


def fingerprint_of_workflow(canvas: Canvas) -> str:
    """The same for all workflows of the same tasks, put together in the same way."""
    return digest_of("workflow", canvas)


def fingerprint_of_replay(task_id: str, changes: Call) -> str:
    """The same for all replays of a task with the same changes. None is no change, which empty arguments are."""
    return digest_of("replay", task_id, changes.args, changes.kwargs, dict(changes.options))


def digest_of(*meaning: object) -> str:
    """The same for the same values, the order of names aside."""
    return sha256(_written(meaning).encode(errors="replace")).hexdigest()[:32]


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    meant = {name: value for name, value in options.items() if name != "idempotency_key"}
    if headers := meant.get("headers"):
        meant["headers"] = {name: value for name, value in headers.items() if name not in TRACE_HEADERS}
    return {name: value for name, value in meant.items() if value is not None and value not in ([], {})}


def _written(meaning: Sequence[object]) -> str:
    try:
        return json.dumps(meaning, sort_keys=True, default=_said)
    except TypeError:  # keys of several types, which Pickle can write
        return repr(meaning)


def _said(value: object) -> object:
    if not isinstance(value, Canvas):
        return repr(value)
    parts = {field.name: getattr(value, field.name) for field in fields(value)}
    return [type(value).__name__, parts | {"options": _given(value.options)}]
