"""What a canvas comes to: the steps of a chain, the members of a header, how many tasks a chord waits for."""

from collections.abc import Iterator, Sequence

from bridge.protocol.signature import Canvas, Chain, Chord, Group, unrolled


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
