"""A task's error: as it is stored, and as it stands in updates, bounded. Type, message and traceback are texts."""

import re
from collections.abc import Sequence
from typing import Any

from bridge.errors import Raised

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 8_000
_REPR = re.compile(r"([A-Za-z_][\w.]*)\((.*)\)\Z", re.DOTALL)


def failure(kind: object, message: object, traceback: object = None) -> dict[str, Any]:
    """The ``error`` of an update. Of a long traceback the end is kept, since it names the cause."""
    text = str(message)
    error = {"type": str(kind), "message": text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"}
    if whole := traceback_of(traceback):
        error["traceback"] = whole if len(whole) <= TRACEBACK_LIMIT else "…" + whole[1 - TRACEBACK_LIMIT :]
    return error


def failure_from_repr(exception: object, traceback: object = None) -> dict[str, Any]:
    """From the ``exception`` of an event: the repr of the exception, for example ``ValueError('oops')``."""
    text = str(exception)
    match = _REPR.match(text)
    if not match:
        return failure("Exception", text, traceback)
    kind, inner = match.groups()
    inner = inner.rstrip(",")
    if len(inner) > 1 and inner[0] == inner[-1] and inner[0] in "'\"":
        inner = inner[1:-1]
    return failure(kind, inner, traceback)


def failure_from_meta(result: object, traceback: object) -> dict[str, Any]:
    """From the ``result`` of a failed task's meta."""
    raised = raised_in(result)
    return failure(raised.type, raised.message, traceback)


def raised_in(result: object, traceback: object = None) -> Raised:
    """The exception in the ``result`` of a failed task's meta. What ``exc_module`` names is never imported."""
    if not isinstance(result, dict):
        return Raised("Exception", str(result), (result,), None, traceback_of(traceback))
    told, module = result.get("exc_message", []), result.get("exc_module")
    arguments: Sequence[Any] = told if isinstance(told, list) else (told,)
    return Raised(
        type=str(result.get("exc_type", "Exception")),
        message=", ".join(part if isinstance(part, str) else repr(part) for part in arguments),
        arguments=arguments,
        module=module if isinstance(module, str) else None,
        traceback=traceback_of(traceback),
    )


def traceback_of(traceback: object) -> str | None:
    """The ``traceback`` of a meta or an event, where it is one."""
    return traceback if isinstance(traceback, str) and traceback else None
