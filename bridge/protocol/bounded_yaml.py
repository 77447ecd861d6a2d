"""YAML that is read in a time that can be told.

PyYAML needs thirty microseconds for each value, in which nothing else happens, and a few bytes can stand for any number
of values: by aliases, which Kombu itself writes where one list or mapping is there twice. So values are counted as they
will be when all aliases are written out, and what has more than `MOST_VALUES` is given up as soon as that is known.
"""

from collections.abc import Callable
from typing import Any, cast

MOST_BYTES = 256 * 1024
MOST_VALUES = 20_000
"""About half a second; a long text counts as several."""
DEEPEST = 100
"""PyYAML needs time that grows with the square of it."""
_TEXT = 64
"""Characters of a text that count as one value."""
_LONGEST_NUMBER = 4_300
"""Digits that Python reads; a number to the base of 60, which YAML has, would take it seconds."""
_TEXTS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"})


class TooMuchYaml(ValueError):
    """It would take too long to read."""

    def __init__(self, what: str) -> None:
        super().__init__(f"it is YAML {what}, which would take too long to read here. Use JSON or MessagePack for it.")


class _Bounded:
    """What PyYAML's safe loader does, counted."""

    def __init__(self, stream: bytes) -> None:
        cast("Any", super()).__init__(stream)
        self._values = 0
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Raises `TooMuchYaml` for more than can be read."""
        before = self._values
        self._depth += 1
        if self._depth > DEEPEST:
            raise TooMuchYaml(f"nested more than {DEEPEST} deep")
        node = cast("Any", super()).compose_node(parent, index)
        self._depth -= 1
        if self._values == before and id(node) in self._sizes:  # an alias
            self._values += self._sizes[id(node)]
        else:
            self._values += self._size(node)
            self._sizes[id(node)] = self._values - before
        if self._values > MOST_VALUES:
            raise TooMuchYaml(f"of more than {MOST_VALUES:,} values")
        return node

    def _size(self, node: Any) -> int:
        """What a node counts by itself."""
        length = len(node.value) if isinstance(node.value, str) else 0
        if length > _LONGEST_NUMBER and node.tag not in _TEXTS:
            raise TooMuchYaml(f"with a value of {length:,} characters that is no text")
        return 1 + length // _TEXT


def bounded_load(package: Any) -> Callable[[bytes], Any]:
    """`safe_load` of PyYAML, which is the `package`, with bounds. It raises `TooMuchYaml`, and what PyYAML raises."""
    # Not its loader in C, which ends the process on what is nested a million deep.
    loader = type("BoundedLoader", (_Bounded, package.SafeLoader), {})

    def load(data: bytes) -> Any:
        if len(data) > MOST_BYTES:
            raise TooMuchYaml(f"of {len(data):,} bytes (the limit is {MOST_BYTES:,})")
        return package.load(data, Loader=loader)

    return load
