"""What a canvas is inside a message: the dict that Celery's ``Signature`` is (celery/canvas.py), keys in its order."""

from collections.abc import Mapping
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature

MAX_EMBEDDED = 100_000
"""Signatures within the messages of one canvas, every copy counted: a chord's body is sent with each of its tasks."""


class Wire:
    """Writes canvases, and counts. One for each plan."""

    def __init__(self, limit: int = MAX_EMBEDDED) -> None:
        self._limit = limit
        self._count = 0
        self._written: dict[int, tuple[Canvas, dict[str, Any], int]] = {}

    def write(self, canvas: Canvas) -> dict[str, Any]:
        """The dict of `canvas`. It may be shared with other messages, so it is for reading.

        Raises:
            InvalidMessage: the canvas would be written too often.
        """
        _, written, weight = self._written.get(id(canvas)) or (None, None, 0)
        if written is None:
            before = self._count
            self._add(1)
            written = self._dict_of(canvas)
            self._written[id(canvas)] = (canvas, written, self._count - before)
        else:
            self._add(weight)
        return written

    def _add(self, weight: int) -> None:
        self._count += weight
        if self._count > self._limit:
            raise InvalidMessage("", f"would send more than {self._limit} signatures; nest fewer chords, or split it")

    def kwargs(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments: those of ``celery.map`` and its like hold a signature."""
        return {name: self._value(value) for name, value in kwargs.items()}

    def _value(self, value: Any) -> Any:
        return self.write(value) if isinstance(value, Canvas) else value

    def _dict_of(self, canvas: Canvas) -> dict[str, Any]:
        if isinstance(canvas, Signature):
            kwargs = self.kwargs(canvas.kwargs)
            return self._form(canvas.task, canvas.args, kwargs, canvas, canvas.immutable)
        if isinstance(canvas, Chord):
            parts = {"kwargs": {}, "header": self._header(canvas.header), "body": self.write(canvas.body)}
            return self._form("celery.chord", (), parts, canvas, False)
        tasks = [self.write(task) for task in canvas.tasks]
        return self._form(_NAMES[type(canvas)], (), {"tasks": tasks}, canvas, canvas.immutable)

    def _header(self, header: Group) -> object:
        # A header is a list until it is frozen, and a group from then on.
        return self.write(header) if header.options else [self.write(task) for task in header.tasks]

    def _form(
        self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any], canvas: Canvas, immutable: bool
    ) -> dict[str, Any]:
        return {
            "task": task,
            "args": args,
            "kwargs": kwargs,
            "options": {name: self._option(value) for name, value in canvas.options.items()},
            "subtask_type": _KINDS[type(canvas)],
            "immutable": immutable,
        }

    def _option(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return [self._value(inner) for inner in value]
        return self._value(value)


_KINDS = {Signature: None, Chain: "chain", Group: "group", Chord: "chord"}
_NAMES = {Chain: "celery.chain", Group: "celery.group"}
