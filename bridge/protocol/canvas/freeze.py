"""Freezing: the second step of planning. Every task of a canvas is given its id and told what it is a part of.

The order in which options are filled in is Celery's, since it is the order of the keys in the messages: the methods
``freeze``, ``_freeze_group_tasks`` and ``prepare_steps`` in celery/canvas.py (5.6). What is there already is kept, so
freezing again changes no id; Celery freezes most parts twice, and where that adds a key it is added here as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.canvas.shape import members
from bridge.protocol.signature import (
    Canvas,
    Chain,
    Chord,
    Group,
    Part,
    Signature,
    copied_as_immutable,
    unrolled,
    unrolled_as,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a part is told by what it stands in. `errbacks` come from the chain around it."""

    task_id: str | None = None
    group_id: str | None = None
    group_index: int | None = None
    chord: Canvas | None = None
    errbacks: tuple[Canvas, ...] = ()


ALONE = Place()
C = TypeVar("C", bound=Canvas, covariant=True)
P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen(Generic[C]):
    """A canvas with ids, and where its result will be."""

    canvas: C
    result: ResultNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A chain made ready: `steps` in order, and `kept`, its tasks as they stand when the chain itself is sent along."""

    steps: tuple[Canvas, ...]
    kept: tuple[Canvas, ...]
    result: ResultNode


class Freezer:
    """Gives ids. `reply_to` is where workers would send replies; Celery writes it into every part."""

    def __init__(self, new_id: Callable[[], str], reply_to: str) -> None:
        self.new_id = new_id
        self._reply_to = reply_to

    def freeze(self, canvas: Canvas, place: Place = ALONE) -> Frozen[Canvas]:
        """`canvas`, with everything in it, as a part of what `place` says."""
        if isinstance(canvas, Signature):
            return self.freeze_signature(canvas, place)
        if isinstance(canvas, Group):
            return self.freeze_group(canvas, place)
        if isinstance(canvas, Chord):
            return self.freeze_chord(canvas, place)
        return self._chain(canvas, place)

    def freeze_signature(self, signature: Signature, place: Place) -> Frozen[Signature]:
        """One task."""
        options = dict(signature.options)
        task_id = options.setdefault("task_id", place.task_id or self.new_id())
        options.setdefault("reply_to", self._reply_to)
        if place.group_id:
            options.setdefault("group_id", place.group_id)
        options |= _membership(place)
        frozen = _with_errbacks(replace(signature, options=options), place)
        return Frozen(canvas=frozen, result=ResultNode(id=task_id, task=signature.task, signature=frozen))

    def freeze_group(self, group: Group, place: Place) -> Frozen[Group]:
        """A group. Its tasks belong to the one that `place` names, if any; who starts this one tells them of it.

        Its id is its own, as with Celery 5.7. Before, it was that of the group around it, so that a worker, when it
        started a group at the end of a chain, counted a chord around both anew, and the chord could wait for ever.
        """
        options = dict(group.options)
        group_id = options["task_id"] = options.get("task_id") or self.new_id()
        if place.group_id:
            options["group_id"] = place.group_id
        options |= _membership(place)
        options.setdefault("root_id", None)
        options.setdefault("parent_id", None)
        told = replace(place, task_id=None, errbacks=tuple(copied_as_immutable(errback) for errback in place.errbacks))
        frozen = [
            self.freeze(task, replace(told, group_index=index)) for index, task in enumerate(members(group.tasks))
        ]
        result = ResultNode(id=group_id, children=tuple(member.result for member in frozen))
        return Frozen(canvas=Group(options=options, tasks=tuple(member.canvas for member in frozen)), result=result)

    def freeze_chord(self, chord: Chord, place: Place) -> Frozen[Chord]:
        """A chord. `place` is the body's, with which the chord ends."""
        # Celery reads errbacks anew here, and its chains and groups forget what they are not told as an option.
        errbacks = tuple(_forgetful(errback) for errback in place.errbacks)
        body = self.freeze(chord.body, replace(place, errbacks=errbacks))
        header = self.freeze_group(chord.header, Place(chord=body.canvas))
        options = {**chord.options, "task_id": header.result.id}
        frozen = replace(chord, options=options, header=header.canvas, body=body.canvas)
        return Frozen(canvas=frozen, result=body.result.after(header.result))

    def _chain(self, chain: Chain, place: Place) -> Frozen[Chain]:
        prepared = self.prepare(chain.tasks, replace(place, errbacks=()))
        options = {**chain.options, "task_id": place.task_id}
        frozen = _with_errbacks(Chain(options=options, tasks=prepared.kept), place)
        return Frozen(canvas=frozen, result=prepared.result)

    def prepare(self, tasks: Sequence[Canvas], place: Place) -> Prepared:
        """The steps of a chain. The last one stands for the chain, so it alone is told of `place`."""
        ready: list[Frozen[Canvas]] = []
        kept = self._prepare(tasks, place, ready)
        first, *others = reversed(ready)
        result = first.result
        for step in others:
            result = step.result.after(result)
        return Prepared(steps=tuple(step.canvas for step in reversed(ready)), kept=kept, result=result)

    def _prepare(self, tasks: Sequence[Canvas], place: Place, ready: list[Frozen[Canvas]]) -> tuple[Canvas, ...]:
        """Add to `ready` from the last task to the first: it is the group before another that becomes a header."""
        kept: list[Canvas] = []
        for task in reversed(tasks):
            step = unrolled(task)
            if isinstance(step, Chain):
                frozen: Canvas = replace(step, tasks=self._prepare(step.tasks, place, ready))
            else:
                frozen = self._step(step, Place(errbacks=place.errbacks) if ready else place, ready)
            kept.append(unrolled_as(task, frozen))
        return tuple(reversed(kept))

    def _step(self, step: Canvas, place: Place, ready: list[Frozen[Canvas]]) -> Canvas:
        if isinstance(step, Group) and ready:
            chord = self.freeze_chord(_upgraded(step, ready.pop().canvas), place)
            ready.append(chord)
            return replace(step, tasks=chord.canvas.header.tasks)
        ready.append(self.freeze(step, place))
        return ready[-1].canvas


def _membership(place: Place) -> dict[str, Any]:
    said = {"chord": place.chord, "group_index": place.group_index}
    return {name: value for name, value in said.items() if value is not None}


def _with_errbacks(canvas: P, place: Place) -> P:
    for errback in place.errbacks:
        canvas = canvas.link_error(errback)
    return canvas


def _forgetful(errback: Canvas) -> Canvas:
    """`errback` as ``from_dict`` makes it of a chain or group: without its mark of being immutable."""
    return replace(errback, immutable=False) if isinstance(errback, Chain | Group) else errback


def _upgraded(group: Group, body: Canvas) -> Chord:
    # The order of the two keys tells whether the body was one task, whose id Celery gave to the chord for a moment.
    options = {"task_id": None, "root_id": None} if isinstance(body, Signature) else {"root_id": None}
    return Chord(options=options, header=Group(tasks=group.tasks), body=body)
