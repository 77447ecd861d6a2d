"""What a single task's message carries beside its arguments: callbacks, errbacks, the body of a chord, and stamps."""

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.check import OPTIONS, check_canvas
from bridge.protocol.canvas.wire import Wire
from bridge.protocol.signature import LINKS, Canvas, Signature
from bridge.protocol.values import check_type

Links = Canvas | Sequence[Canvas] | None
_ANY = Signature(task="any")


def embedded(link: Links, link_error: Links, chord: Canvas | None) -> dict[str, Any]:
    """The fields of a `TaskMessage` by the same names, checked as a workflow is: what workers send later.

    Raises:
        InvalidMessage: something in it would harm a worker; the pointer leads there, below ``/options``.
    """
    links = {name: _listed(given, name) for name, given in zip(LINKS, (link, link_error), strict=True)}
    check_canvas(Signature(task=_ANY.task, options={name: given for name, given in links.items() if given}))
    wire = Wire()
    written: dict[str, Any] = {
        name: [wire.write(canvas) for canvas in given] if given else None for name, given in links.items()
    }
    return {**written, "chord": _body(chord, wire)}


def _listed(given: Links, name: str) -> tuple[Canvas, ...]:
    if given is None or isinstance(given, Canvas):
        return () if given is None else (given,)
    check_type(given, (list, tuple), f"/options/{name}")
    return tuple(given)


def _body(chord: Canvas | None, wire: Wire) -> dict[str, Any] | None:
    if chord is None:
        return None
    try:
        check_canvas(chord)
    except InvalidMessage as error:
        raise InvalidMessage(f"/options/chord{error.pointer}", error.reason) from error
    return wire.write(chord)


def check_stamps(stamps: Mapping[str, Any], headers: Sequence[str]) -> None:
    """Check stamps, and that `headers`, which tell their order, name each of them once.

    Raises:
        InvalidMessage: a name that Celery uses itself, or a value that is not plain.
    """
    for place, names in (("stamps", stamps), ("stamped_headers", headers)):
        for name in names:
            check_type(name, (str,), f"/options/{place}")
    if sorted(stamps) != sorted(headers):
        raise InvalidMessage("/options/stamped_headers", "must name each of the stamps, and nothing else")
    for name, value in stamps.items():
        _check_stamp(name, value, f"/options/stamps/{name}")


def _check_stamp(name: str, value: Any, pointer: str) -> None:
    if name in OPTIONS or name in LINKS:
        raise InvalidMessage(pointer, "cannot be the name of a stamp; choose another")
    try:
        check_canvas(Signature(task=_ANY.task, options={"stamped_headers": (name,), name: value}))
    except InvalidMessage as error:
        raise InvalidMessage(pointer, error.reason) from error
