"""Workflows by Celery's names: signature, chain, group, chord, chunks, xmap and xstarmap, and `plan` for what to write.

They build the values of `bridge.protocol.signature`, which do not change: use what `set`, `link` and ``|`` return.

    work = group(signature("proj.add", (i, i)) for i in range(10)) | signature("proj.total")
"""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.plan import BackendKey, Plan, PlannedTask, Sending, plan
from bridge.protocol.part_options import PartOptions
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature, folded, no_canvas

__all__ = [
    "BackendKey",
    "Canvas",
    "Plan",
    "PlannedTask",
    "Sending",
    "chain",
    "chord",
    "chunks",
    "group",
    "plan",
    "signature",
    "xmap",
    "xstarmap",
]


def signature(
    task: str,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    immutable: bool = False,
    tags: Iterable[str] = (),
    **more: Unpack[PartOptions],
) -> Signature:
    """One task. Unless it is immutable, the result of what ran before comes in front of `args`.

    Options are given by their names, or as `options`, of which those given by name win.
    The `tags` are for the record that is made of it when it is submitted.
    """
    made = Signature(task=task, args=tuple(args), kwargs=dict(kwargs or {}), immutable=immutable, tags=tuple(tags))
    return made.set(**{**(options or {}), **more})


def chain(*tasks: Canvas | Iterable[Canvas]) -> Canvas:
    """Tasks one after another; given one by one, or as one iterable. The same as to join them by ``|``.

    So a group in it that is followed by something becomes a chord, and a chain of one group is that group.

    Raises:
        InvalidMessage: something else is among them; so do `group` and `chord`.
    """
    return folded(_listed(tasks), Chain())


def group(*tasks: Canvas | Iterable[Canvas]) -> Group:
    """Tasks at the same time; given one by one, or as one iterable."""
    if len(tasks) == 1 and isinstance(tasks[0], Group):
        return Group(tasks=tasks[0].tasks)
    return Group(tasks=_listed(tasks))


def chord(header: Canvas | Iterable[Canvas], body: Canvas) -> Chord:
    """`header`, all at the same time, then `body` with the list of its results.

    As in Celery the tasks of a *chain* that is the whole header run at the same time as well; put it in a list.
    """
    if isinstance(header, Chain | Group):
        return Chord(header=Group(tasks=header.tasks), body=body)
    return Chord(header=Group(tasks=_listed((header,))), body=body)


def xmap(task: Signature, it: Iterable[Any]) -> Signature:
    """One task that calls `task`, by its name alone, with each item in turn; the result is the list of results."""
    return _mapped("celery.map", task, it)


def xstarmap(task: Signature, it: Iterable[Iterable[Any]]) -> Signature:
    """As `xmap`, and each item is a list of arguments."""
    return _mapped("celery.starmap", task, it)


def chunks(task: Signature, it: Iterable[Iterable[Any]], n: int) -> Group:
    """A group of `xstarmap` with `n` items each.

    It is what Celery's ``chunks(…).group()`` gives. Within another canvas Celery itself sends a task ``celery.chunks``,
    whose result cannot be stored; the group is right everywhere.

    Raises:
        InvalidMessage: `n` is not above 0.
    """
    if n < 1:
        raise InvalidMessage("/n", "must be 1 or more items in each chunk")
    items = list(it)
    return Group(tasks=tuple(xstarmap(task, items[at : at + n]) for at in range(0, len(items), n)))


def _mapped(name: str, task: Signature, it: Iterable[Any]) -> Signature:
    return Signature(task=name, kwargs={"task": task, "it": list(it)}, immutable=True)


def _listed(given: Iterable[Any]) -> tuple[Canvas, ...]:
    tasks: list[Any] = []
    for index, task in enumerate(given):
        if not isinstance(task, Canvas | Iterable) or isinstance(task, str):
            raise no_canvas(task, f"/tasks/{index}")
        tasks += [task] if isinstance(task, Canvas) else task
    for index, task in enumerate(tasks):
        if not isinstance(task, Canvas):
            raise no_canvas(task, f"/tasks/{index}")
    return tuple(tasks)
