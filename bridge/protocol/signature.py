"""Signatures and what is made of them: chain, group and chord, as frozen values.

Each is what the class of the same name is in celery/canvas.py (5.6), with one difference: nothing changes in place, so
`set`, `link`, `link_error` and `stamp` return a new one. ``|`` joins as Celery's does, see `joined`: what comes of it
depends on what it meets, as a group followed by a task is a chord.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from typing import Any, Self, Unpack

from bridge.errors import InvalidMessage
from bridge.protocol.part_options import PartOptions

Options = Mapping[str, Any]
LINKS = ("link", "link_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(ABC):
    """What signatures and all that is made of them have in common. `options` go by Celery's names."""

    options: Options = field(default_factory=dict)

    def set(self, *, immutable: bool | None = None, **options: Unpack[PartOptions]) -> Self:
        """The same with these options; one that is None is not given, as in Celery, even if it was before.

        One that is immutable is not given the result of what ran before it.

        Raises:
            InvalidMessage: callbacks are among them, which `link` and `link_error` add.
        """
        for name in LINKS:
            if name in options:
                raise InvalidMessage(f"/options/{name}", f"is not set as an option; call {name}() for each")
        marked = self if immutable is None else self._marked(immutable)
        return replace(marked, options=_given({**marked.options, **options}))

    def link(self, callback: "Canvas") -> Self:
        """The same, and `callback` is run with its result once it has succeeded."""
        return self._appended("link", callback)

    def link_error(self, errback: "Canvas") -> Self:
        """The same, and `errback` is run once it has failed, with the id of the task that did."""
        return self._appended("link_error", errback)

    @abstractmethod
    def stamp(self, **stamps: Any) -> Self:
        """The same with headers that stay with every task in it, for ``revoke_by_stamped_headers`` and for people.

        As in Celery a chord's body is left out: stamp it by itself.
        """

    @abstractmethod
    def _marked(self, immutable: bool) -> Self:
        """What ``set(immutable=…)`` does: a group or chord marks its tasks, not itself."""

    def _appended(self, option: str, linked: "Canvas") -> Self:
        present = self.options.get(option, ())
        if linked in present:
            return self
        return replace(self, options={**self.options, option: (*present, linked)})

    def _stamped_links(self, stamps: Options) -> Options:
        links = {name: self.options[name] for name in LINKS if name in self.options}
        stamped = {name: tuple(linked.stamp(**stamps) for linked in linkeds) for name, linkeds in links.items()}
        return {**self.options, **stamped}


def _given(options: Options) -> Options:
    stamps = options.get("stamped_headers")
    stamped = stamps if isinstance(stamps, list | tuple) else ()
    # A stamp that is None is refused, when the whole is checked.
    given = {name: value for name, value in options.items() if value is not None or name in stamped}
    if isinstance(headers := given.get("headers"), Mapping):
        given["headers"] = dict(headers)  # which goes into JSON
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Part):
    """One task: its name, arguments and options, and the tags that are recorded of it, which no message has."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    immutable: bool = False
    tags: tuple[str, ...] = ()

    def __or__(self, other: "Canvas") -> "Canvas":
        return joined(self, other)

    def stamp(self, **stamps: Any) -> Self:
        """See `Part.stamp`. A stamp given again replaces the one before; lists are put together."""
        options = self._stamped_links(stamps)
        names = dict.fromkeys((*options.get("stamped_headers", ()), *stamps))
        values = {name: _restamped(value, options.get(name)) for name, value in stamps.items()}
        return replace(self, options={**options, **values, "stamped_headers": tuple(names)})

    def _marked(self, immutable: bool) -> Self:
        return replace(self, immutable=immutable)


def _restamped(value: object, before: object) -> object:
    if isinstance(value, list) and isinstance(before, list):
        return [*value, *before]  # in this order: celery/canvas.py, _merge_dictionaries
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Part):
    """Tasks one after another, each given the result of the one before."""

    tasks: tuple["Canvas", ...] = ()
    immutable: bool = False

    def __or__(self, other: "Canvas") -> "Canvas":
        return joined(self, other)

    def stamp(self, **stamps: Any) -> Self:
        """See `Part.stamp`."""
        return replace(self, options=self._stamped_links(stamps), tasks=_stamped(self.tasks, stamps))

    def unchained(self) -> "tuple[Canvas, ...]":
        """Its tasks, its callbacks on the last and its errbacks on each. Its other options are lost, as in Celery."""
        tasks = list(self.tasks)
        for callback in self.options.get("link", ()):
            tasks[-1] = tasks[-1].link(callback)
        for errback in self.options.get("link_error", ()):
            tasks = [task.link_error(errback) for task in tasks]
        return tuple(tasks)

    def _marked(self, immutable: bool) -> Self:
        return replace(self, immutable=immutable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Part):
    """Tasks at the same time."""

    tasks: tuple["Canvas", ...] = ()
    immutable: bool = False

    def __or__(self, other: "Canvas") -> "Canvas":
        return joined(self, other)

    def link(self, callback: "Canvas") -> Self:
        """The same, and `callback` is run once the *first* task has succeeded: for all of them use a chord.

        Raises:
            InvalidMessage: there is no task to link to.
        """
        if not self.tasks:
            raise InvalidMessage("/tasks", "is empty, so there is no task to link to")
        return replace(self, tasks=(self.tasks[0].link(callback.set(immutable=True)), *self.tasks[1:]))

    def link_error(self, errback: "Canvas") -> Self:
        """The same, and `errback` is run for each task that fails."""
        return replace(self, tasks=tuple(task.link_error(copied_as_immutable(errback)) for task in self.tasks))

    def stamp(self, **stamps: Any) -> Self:
        """See `Part.stamp`."""
        return replace(self, options=self._stamped_links(stamps), tasks=_stamped(self.tasks, stamps))

    def _marked(self, immutable: bool) -> Self:
        return replace(self, tasks=tuple(task.set(immutable=immutable) for task in self.tasks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chord(Part):
    """A group, the header, and a body that is given the list of its results once all have succeeded."""

    header: Group
    body: "Canvas"

    def __or__(self, other: "Canvas") -> "Canvas":
        return joined(self, other)

    def link(self, callback: "Canvas") -> Self:
        """The same, and `callback` is run once the body has succeeded."""
        return replace(self, body=self.body.link(callback))

    def link_error(self, errback: "Canvas") -> Self:
        """The same, and `errback` is run once the body has failed, as it does when a task of the header has.

        That is Celery's default, where ``task_allow_error_cb_on_chord_header`` is off.
        """
        linked = (task.link_error(errback) if isinstance(task, Chord) else task for task in self.header.tasks)
        return replace(self, header=replace(self.header, tasks=tuple(linked)), body=self.body.link_error(errback))

    def stamp(self, **stamps: Any) -> Self:
        """See `Part.stamp`: the header alone is stamped."""
        header = replace(self.header, tasks=_stamped(self.header.tasks, stamps))
        return replace(self, options=self._stamped_links(stamps), header=header)

    def _marked(self, immutable: bool) -> Self:
        return replace(self, header=self.header.set(immutable=immutable))


def _stamped(tasks: "Sequence[Canvas]", stamps: Options) -> "tuple[Canvas, ...]":
    return tuple(task.stamp(**stamps) for task in tasks)


Canvas = Signature | Chain | Group | Chord
"""What can be run: a signature, or signatures in an order."""


def no_canvas(given: object, pointer: str) -> InvalidMessage:
    """The error for what was given in the place of something that can be run."""
    return InvalidMessage(pointer, f"is a {type(given).__name__}, where a signature, chain, group or chord must be")


def copied_as_immutable(errback: Canvas) -> Canvas:
    """What Celery's ``errback.clone(immutable=True)`` gives: for all but chains and groups an *option* of that name."""
    if isinstance(errback, Chain | Group):
        return replace(errback, immutable=True)
    return replace(errback, options={**errback.options, "immutable": True})


def unrolled(canvas: Canvas) -> Canvas:
    """A group of one is that one. Celery looks one level deep (``maybe_unroll_group``)."""
    return canvas.tasks[0] if isinstance(canvas, Group) and len(canvas.tasks) == 1 else canvas


def unrolled_as(group: Canvas, step: Canvas) -> Canvas:
    """`group` with `step` in the place of what it was unrolled to; `step` itself where nothing was unrolled."""
    return replace(group, tasks=(step,)) if isinstance(group, Group) and len(group.tasks) == 1 else step


def joined(left: Canvas, right: Canvas) -> Canvas:
    """``left | right``, by the methods ``__or__`` in celery/canvas.py.

    Raises:
        InvalidMessage: `right` is no canvas.
    """
    if not isinstance(right, Canvas):
        raise no_canvas(right, "")
    if isinstance(left, Group):
        return Chord(header=Group(tasks=left.tasks), body=right)
    if isinstance(left, Chain):
        return _chained(left, unrolled(right))
    if isinstance(left, Chord) and not isinstance(right, Chain) and not _is_several(right):
        return replace(left, body=left.body | unrolled(right))
    if isinstance(right, Chain):
        return Chain(tasks=(left, *right.unchained()))
    return Chain(tasks=(left, unrolled(right)))


def _is_several(canvas: Canvas) -> bool:
    return isinstance(canvas, Group) and len(canvas.tasks) != 1


def folded(steps: Iterable[Canvas], first: Canvas) -> Canvas:
    """Steps put together by ``|`` from left to right, after `first`."""
    runs = (list(run) for _, run in groupby(steps, key=lambda step: isinstance(step, Signature)))
    return reduce(_followed_by, runs, first)


def _followed_by(whole: Canvas, run: Sequence[Canvas]) -> Canvas:
    """`run` is of tasks alone, or has none. A chain that ends in a task grows by tasks all at once, not one by one."""
    for at, step in enumerate(run):
        whole = joined(whole, step)
        if isinstance(step, Signature) and isinstance(whole, Chain) and isinstance(whole.tasks[-1], Signature):
            return Chain(tasks=(*whole.tasks, *run[at + 1 :]))
    return whole


def _chained(left: Chain, right: Canvas) -> Canvas:
    if isinstance(right, Chain):
        return folded(right.unchained(), left)
    if isinstance(right, Group):
        return _followed_by_a_group(left.unchained(), right)
    last = left.tasks[-1] if left.tasks else None
    if isinstance(last, Group):
        return replace(left, tasks=_with_chord(left.tasks[:-1], Chord(header=Group(tasks=last.tasks), body=right)))
    if isinstance(last, Chord) and not isinstance(right, Chord):
        return replace(left, tasks=(*left.tasks[:-1], replace(last, body=last.body | right)))
    return Chain(tasks=(*left.unchained(), right))


def _followed_by_a_group(tasks: tuple[Canvas, ...], group: Group) -> Canvas:
    if not tasks:
        return group
    if isinstance(tasks[-1], Chord):
        return Chain(tasks=(*tasks[:-1], replace(tasks[-1], body=tasks[-1].body | group)))
    return Chain(tasks=(*tasks, group))


def _with_chord(tasks: tuple[Canvas, ...], chord: Chord) -> tuple[Canvas, ...]:
    """Two chords in a row are one, the second at the end of the first one's body."""
    if tasks and isinstance(tasks[-1], Chord):
        return (*tasks[:-1], replace(tasks[-1], body=tasks[-1].body | chord))
    return (*tasks, chord)
