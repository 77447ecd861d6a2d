"""The text of a task's arguments that Flower and events show: the headers ``argsrepr`` and ``kwargsrepr``.

The rules are those of ``celery.utils.saferepr`` (BSD-3-Clause, read at 5.7.0), written anew. They are not ``repr``'s:

- A string is put between single quotes and only ``'`` is escaped. Bytes are shown as UTF-8 text, or else as hex.
- A container below `max_levels` is ``[...]``. A key counts its levels, and its length, on its own.
- A leaf longer than the room that is left is cut at its last space. When no room is left, the next piece becomes
  ``, ...``, and what is open is closed. (Celery 5.6 and older lose or double a bracket there. 5.7 does not, nor do we.)

A submit runs this twice. So most values take a short cut, with a proof: `repr` gives the same text when all leaves are
plain, no container is too deep, the text is shorter than the limit, and neither ``"`` nor a backslash is in it, since
`repr` uses one of them for every string that it does not merely put between single quotes.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import chain
from numbers import Number

Container = list[object] | tuple[object, ...] | dict[object, object] | set[object] | frozenset[object]

ELLIPSIS = "..."
MAX_SHORT_INT = 10**20  # the text of an int takes quadratic time, and beyond thousands of digits Python refuses it


def saferepr(value: object, *, max_length: int = 1024, max_levels: int = 3) -> str:
    """Show a value as Celery 5.7 does, in time and memory that `max_length` bounds, not the size of the value.

    `max_length`, at least 1, counts characters. The text may be longer by its closing brackets and ellipses.
    `max_levels`, at least 1, counts nested containers. (Celery's 0, "no limit", is not offered.)

    Never raises for a value whose ``__repr__`` or ``__str__`` does: that one is shown as ``<Unrepresentable …>``, as
    Celery shows it, but without the stack of this process.
    """
    if _room_after(value, max_length, max_levels) > 0:
        text = repr(value)
        if len(text) < max_length and '"' not in text and "\\" not in text:
            return text
    writer = _Writer(max_length, max_levels)
    writer.write(value, 0)
    return "".join(writer.pieces)


def _room_after(value: object, room: int, levels: int) -> int:
    """About the room that a plain value leaves; -1 if there is none, or if `repr` might differ, raise or take long."""
    if type(value) is str:
        return room - len(value)
    if value is None or type(value) is bool or type(value) is float or (type(value) is int and _is_short(value)):
        return room - 1
    if not levels:
        return -1
    if type(value) is dict:
        return _room_after_all(chain(value, value.values()), 2 * len(value), room, levels - 1)
    if type(value) is list or type(value) is tuple:
        return _room_after_all(value, len(value), room, levels - 1)
    return -1


def _room_after_all(values: Iterable[object], count: int, room: int, levels: int) -> int:
    room -= 2 + 2 * count  # brackets and separators
    for value in values:
        if room < 0:
            break
        if type(value) is str:  # as `_room_after` has it, without a call for what most values are
            room -= len(value)
        elif type(value) is int and _is_short(value):
            room -= 1
        else:
            room = _room_after(value, room, levels)
    return room


def _is_short(number: int) -> bool:
    return -MAX_SHORT_INT < number < MAX_SHORT_INT


class _Writer:
    """Writes piece by piece while there is room."""

    def __init__(self, room: int, max_levels: int) -> None:
        self.pieces: list[str] = []
        self._room = room
        self._max_levels = max_levels
        self._open: set[int] = set()  # ids of the containers around the next piece
        self._is_cut = False

    def write(self, value: object, level: int) -> None:
        if not self._has_room():
            return
        if isinstance(value, str):
            self._add(_quote(value, self._room))
        elif isinstance(value, bytes):
            self._add(_quote_bytes(value, self._room))
        elif isinstance(value, list | tuple | dict) or (isinstance(value, set | frozenset) and value):
            self._write_container(value, level)
        else:
            self._add(_cut(_leaf(value), self._room))

    def _write_container(self, value: Container, level: int) -> None:
        opening, closing = _brackets(value)
        if level >= self._max_levels:
            self._add(f"{opening}{ELLIPSIS}{closing}")
        elif id(value) in self._open:
            self._add(_cut(f"<Recursion on {type(value).__name__} with id={id(value)}>", self._room))
        else:
            self._open.add(id(value))
            self._add(opening)
            if isinstance(value, dict):
                self._write_entries(value.items(), level + 1)
            else:
                self._write_items(value, level + 1)
            self._open.discard(id(value))
            self._add(closing)

    def _write_items(self, items: Iterable[object], level: int) -> None:
        for index, item in enumerate(items):
            if index:
                self._write_mark(", ")
            self.write(item, level)
            if self._is_cut:
                return

    def _write_entries(self, entries: Iterable[tuple[object, object]], level: int) -> None:
        for index, (key, item) in enumerate(entries):
            if index:
                self._write_mark(", ")
            self._write_key(key)
            self._write_mark(": ")
            self.write(item, level)
            if self._is_cut:
                return

    def _write_key(self, key: object) -> None:
        if self._has_room():
            self._add(saferepr(key, max_length=self._room, max_levels=self._max_levels))

    def _write_mark(self, mark: str) -> None:
        if self._has_room():
            self._add(mark)

    def _has_room(self) -> bool:
        """Whether a piece may follow. The first one that may not leaves an ellipsis in its place."""
        if self._room <= 0 and not self._is_cut:
            self._is_cut = True
            self.pieces.append(f", {ELLIPSIS}")
        return not self._is_cut

    def _add(self, piece: str) -> None:
        self.pieces.append(piece)
        self._room -= len(piece)


def _brackets(value: Container) -> tuple[str, str]:
    if isinstance(value, list):
        return "[", "]"
    if isinstance(value, tuple):
        return "(", ",)" if len(value) == 1 else ")"
    if isinstance(value, dict) or type(value) is set:
        return "{", "}"
    return f"{type(value).__name__}({{", "})"


def _cut(text: str, room: int) -> str:
    return text if len(text) < room else text[:room].rsplit(" ", 1)[0] + ELLIPSIS


def _quote(text: str, room: int) -> str:
    return "'" + _cut(text, room).replace("'", "\\'") + "'"


def _quote_bytes(octets: bytes, room: int) -> str:
    shown = octets[:room]
    ellipsis = ELLIPSIS if len(octets) > room else ""
    try:
        return f"b'{shown.decode()}{ellipsis}'"
    except UnicodeDecodeError:
        return f"b'{shown.hex()}{ellipsis}'"


def _leaf(value: object) -> str:
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}()"
    try:
        return str(value) if isinstance(value, Number) and not isinstance(value, Decimal) else repr(value)
    except Exception as error:
        return f"<Unrepresentable {type(value)!r}{id(value):#x}: {error!r}>"
