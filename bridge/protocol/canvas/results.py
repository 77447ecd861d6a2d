"""Where the results of a workflow will be: of each part a node, which leads to what ran before it and within it."""

import reprlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import repeat
from typing import Any, Self

from bridge.errors import UnreadableBytes
from bridge.protocol.signature import Signature
from bridge.protocol.state import Status

MOST_PARTS = 200_000
"""Tasks and groups in a result that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultNode:
    """Where a result will be found: of a task, or with `children` of a group, and what ran before it."""

    id: str
    task: str | None = None
    children: tuple["ResultNode", ...] | None = None
    parent: "ResultNode | None" = None
    signature: Signature | None = field(default=None, compare=False, repr=False)
    """The task as it was planned; None where a result was only read."""

    @property
    def ignores_result(self) -> bool:
        """Whether it was planned as a task that stores no result, so that none is to be waited for."""
        return self.signature is not None and self.signature.options.get("ignore_result") is True

    def after(self, earlier: "ResultNode") -> "ResultNode":
        """The same, with `earlier` before the first of its own ancestors."""
        for ancestor in reversed([self, *self.ancestors()]):
            earlier = replace(ancestor, parent=earlier)
        return earlier

    def ancestors(self) -> Iterator["ResultNode"]:
        """What ran before it, the latest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def ends(self) -> Iterator[str]:
        """The tasks whose ends are its own: itself, or what the members of a group end with."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if node.children is None:
                yield node.id
            waiting += reversed(node.children or ())

    def as_tuple(self, deepest: int | None = None) -> list[Any]:
        """As Celery writes it, ``[[id, parent], null]``, or the children in the place of null.

        Of what ran before is left out what would stand more than `deepest` parts within each other.
        """
        whole: list[Any] = [[self.id, None], None]
        waiting = [(self, whole, 0)]
        while waiting:
            node, written, depth = waiting.pop()
            if node.parent and (deepest is None or depth < deepest):
                written[0][1] = [[node.parent.id, None], None]
                waiting.append((node.parent, written[0][1], depth + 1))
            if node.children is not None:
                written[1] = [[[child.id, None], None] for child in node.children]
                waiting += zip(node.children, written[1], repeat(depth + 1))
        return whole

    @classmethod
    def of_tuple(cls, written: Any) -> Self:
        """What `as_tuple` has written, or Celery's ``as_tuple``.

        Raises:
            UnreadableBytes: it is something else, or of more than `MOST_PARTS`.
        """
        try:
            parts = _read(written)
        except (ValueError, TypeError) as error:
            raise UnreadableBytes(f"not where results are: {reprlib.repr(written)}") from error
        nodes: dict[int, Self] = {}
        for at, (node_id, parent, children) in reversed(list(enumerate(parts))):  # what a part names comes after it
            within = None if children is None else tuple(nodes[child] for child in children)
            nodes[at] = cls(id=node_id, parent=None if parent is None else nodes[parent], children=within)
        return nodes[0]


def _read(written: Any) -> list[tuple[str, int | None, range | None]]:
    """The parts of a result: each with its id, and at which place its parent and its children stand."""
    waiting: list[Any] = [written]
    parts: list[tuple[str, int | None, range | None]] = []
    for one in waiting:
        (node_id, parent), children = one
        if not isinstance(node_id, str) or not isinstance(children, list | tuple | None):
            raise TypeError("neither an id nor children")
        parent_at = len(waiting) if parent else None
        waiting += [parent] if parent else []
        children_at = None if children is None else range(len(waiting), len(waiting) + len(children))
        waiting += children or ()
        if len(waiting) > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} parts")
        parts.append((node_id, parent_at, children_at))
    return parts


class Fate(IntEnum):
    """What has become of a part; of a group the highest that any of its members has."""

    SUCCEEDED = 0
    FAILED = 1
    STOPPED = 2
    """It was cancelled or lost, and nobody is told."""
    OPEN = 3
    """It runs, or something may still start it."""


_FATES = {Status.SUCCEEDED: Fate.SUCCEEDED, Status.FAILED: Fate.FAILED}


class Workflow:
    """A result with all that leads to it, in an order in which each part stands after what it depends on."""

    def __init__(self, result: ResultNode) -> None:
        self._result = result
        self._parts = _in_order(result)
        self.task_ids = tuple(node.id for node, _ in self._parts if node.children is None)

    @property
    def later_ids(self) -> frozenset[str]:
        """The tasks that come after something, so that a worker sends them: until they begin nobody may ever."""
        return frozenset(node.id for node, before in self.with_predecessors() if before is not None)

    def with_predecessors(self) -> Iterator[tuple[ResultNode, ResultNode | None]]:
        """Each task, with what it comes after; None for one that starts at once."""
        for node, inherited in self._parts:
            if node.children is None:
                yield node, node.parent or inherited

    def is_over(self, known: Collection[str], ended: Mapping[str, Status], *, told: bool = True) -> bool:
        """Whether nothing more will happen: `known` are the tasks that were queued, `ended` how those of them ended.

        The others belong to it until they cannot be started any more; the body of a chord whose header has failed also
        as long as it may be `told` of that.
        """
        return len(ended) == len(known) and self._fate(known, ended, told=told) is not Fate.OPEN

    def _fate(self, known: Collection[str], ended: Mapping[str, Status], *, told: bool) -> Fate:
        fates: dict[int, Fate] = {}
        for node, inherited in self._parts:
            before = node.parent or inherited
            if node.children is not None:
                fate = max((fates[id(child)] for child in node.children), default=Fate.SUCCEEDED)
            elif node.id in ended:
                fate = _FATES.get(ended[node.id], Fate.STOPPED)
            elif node.id in known or before is None or fates[id(before)] is Fate.SUCCEEDED:
                fate = Fate.OPEN
            elif told and node.parent and node.parent.children is not None and fates[id(before)] is Fate.FAILED:
                fate = Fate.OPEN  # the body of a chord, which is told that the header has failed, or cancelled
            else:
                fate = fates[id(before)]
            fates[id(node)] = fate
        return fates[id(self._result)]


def _in_order(result: ResultNode) -> list[tuple[ResultNode, ResultNode | None]]:
    """Each node with what a group around it comes after, if it comes after something and the node itself does not."""
    parts: list[tuple[ResultNode, ResultNode | None]] = []
    waiting: list[tuple[ResultNode, ResultNode | None]] = [(result, None)]
    while waiting:
        node, inherited = waiting.pop()
        parts.append((node, inherited))
        if node.parent:
            waiting.append((node.parent, inherited))
        waiting += ((child, node.parent or inherited) for child in node.children or ())
    return parts[::-1]
