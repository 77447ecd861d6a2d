"""What a canvas comes to: the steps of a chain, the members of a header, how many tasks a chord waits for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bridge.protocol.signature import LINKS, Canvas, Chain, Chord, Group, unrolled

MAPS = ("celery.map", "celery.starmap")


def steps(tasks: Sequence[Canvas]) -> Iterator[Canvas]:
    """The steps of a chain: chains in it are spliced, groups of one unrolled."""
    for task in map(unrolled, tasks):
        if isinstance(task, Chain):
            yield from steps(task.tasks)
        else:
            yield task


def members(tasks: Sequence[Canvas]) -> Iterator[Canvas]:
    """The members of a header. Groups in it dissolve, each into its tasks in *reverse*.

    Celery takes them through ``deque.extendleft``, which turns them round (``group._freeze_unroll``, 5.6 and 5.7).
    """
    for task in tasks:
        if isinstance(task, Group):
            yield from members(task.tasks[::-1])
        else:
            yield task


def numbered(tasks: Sequence[Canvas]) -> Iterator[tuple[int, Canvas]]:
    """Tasks of a group that starts at once, with their ``group_index``.

    Celery counts anew in each group of a group (``group._prepared``).
    """
    for index, task in enumerate(tasks):
        if isinstance(task, Group):
            yield from numbered(task.tasks)
        else:
            yield index, task


def size(canvas: Canvas) -> int:
    """How many tasks a chord waits for because of `canvas` (``_chord._descend``)."""
    if isinstance(canvas, Group):
        return sum(map(size, canvas.tasks))
    if isinstance(canvas, Chain):
        return next((last for last in map(size, reversed(canvas.tasks)) if last), 0)
    return size(canvas.body) if isinstance(canvas, Chord) else 1


def ends_in_tasks(canvas: Canvas) -> bool:
    """Whether there is a task at each end of `canvas`, which would tell a chord around it."""
    if isinstance(canvas, Group):
        return bool(canvas.tasks) and all(map(ends_in_tasks, canvas.tasks))
    if isinstance(canvas, Chain):
        return ends_in_tasks(canvas.tasks[-1])
    return not isinstance(canvas, Chord) or ends_in_tasks(canvas.body)


def parts(canvas: Canvas) -> Iterator[tuple[str, object]]:
    """What stands directly in a canvas, callbacks too, each with its place. Whether it is a canvas is not looked at."""
    if isinstance(canvas, Chain | Group):
        yield from _each("tasks", canvas.tasks)
    elif isinstance(canvas, Chord):
        yield from _each("header", canvas.header.tasks)
        yield "body", canvas.body
    elif canvas.task in MAPS:
        yield "kwargs/task", canvas.kwargs.get("task")
    for link in LINKS:
        yield from _each(f"options/{link}", canvas.options.get(link, ()))


def _each(place: str, given: object) -> Iterator[tuple[str, object]]:
    if isinstance(given, tuple | list):
        yield from ((f"{place}/{index}", part) for index, part in enumerate(given))
    else:
        yield place, given


def with_parts(canvas: Canvas, change: Callable[[Any], Any]) -> Canvas:
    """The same canvas with each of its `parts` as `change` makes it."""

    def each(given: Any) -> Any:
        return tuple(map(change, given)) if isinstance(given, tuple | list) else change(given)

    links = {link: each(canvas.options[link]) for link in LINKS if link in canvas.options}
    same = replace(canvas, options={**canvas.options, **links})
    if isinstance(same, Chain | Group):
        return replace(same, tasks=each(same.tasks))
    if isinstance(same, Chord):
        return replace(same, header=replace(same.header, tasks=each(same.header.tasks)), body=change(same.body))
    if same.task in MAPS and "task" in same.kwargs:
        return replace(same, kwargs={**same.kwargs, "task": change(same.kwargs["task"])})
    return same
