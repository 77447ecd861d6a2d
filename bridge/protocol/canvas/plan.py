"""Launching: the last step of planning. Which messages start a canvas, and which keys its chords need.

What the methods ``apply_async`` and ``run`` in celery/canvas.py (5.6) decide, without sending. Only what starts at once
is a message; the rest stands inside messages, and workers send it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from json import dumps
from math import ceil
from typing import Any

from bridge.protocol.canvas.check import check_canvas
from bridge.protocol.canvas.delays import Delays
from bridge.protocol.canvas.freeze import ALONE, Freezer, Place
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.canvas.shape import numbered, size, steps
from bridge.protocol.canvas.wire import Wire
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature, unrolled, unrolled_as

GROUP_PREFIX = "celery-taskset-meta-"
DEEPEST = 100
"""Parts within each other in what is written of a header: to read more, a worker's stack may not be deep enough. What
ran before its members is not looked at there."""
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One message to send, where to, what its ``reply_to`` is, and the tags to record of it."""

    message: TaskMessage
    route: Route
    reply_to: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendKey:
    """A key to SET in the result backend, before any message is sent.

    It lives as long as a result does, after the seconds by which the tasks that it counts are put off.
    """

    key: str
    value: str
    put_off: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write, in this order: `keys` in the result backend, then `messages` in the queues.

    `result` is where the result of the whole will be, with what comes before it. Of groups that a
    worker will start, those that follow a group get their ids there, so they are not known here.
    """

    messages: tuple[PlannedTask, ...]
    keys: tuple[BackendKey, ...]
    result: ResultNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a producer adds: fresh ids, the time (aware; countdowns count from it), its usual queue, its own names.

    And how long workers keep what a chord counts with (s), their ``result_expires``.
    """

    new_id: Callable[[], str]
    now: datetime
    queue: str
    reply_to: str = ""
    origin: str = ""
    result_expires: int = 86_400


def plan(canvas: Canvas, sending: Sending) -> Plan:
    """What must be written to start `canvas`.

    Raises:
        InvalidMessage: something in it would harm a worker or would wait for ever; the pointer leads there.
    """
    check_canvas(canvas)
    launch = _Launch(sending)
    result = launch.launch(canvas)
    Delays(sending.now).check(canvas, sending.result_expires)
    return Plan(messages=tuple(launch.messages), keys=tuple(launch.keys), result=result)


def _merged(own: Options, imposed: Options) -> dict[str, Any]:
    """``Signature._merge``: what is imposed wins, but a task stays in its group and keeps its stamps."""
    kept = {"group_id", "stamped_headers", *own.get("stamped_headers", ())} & own.keys()
    return {**own, **{name: value for name, value in imposed.items() if name not in kept}}


class _Launch:
    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._freezer = Freezer(sending.new_id, sending.reply_to)
        self._wire = Wire()
        self.messages: list[PlannedTask] = []
        self.keys: list[BackendKey] = []

    def launch(
        self, canvas: Canvas, place: Place = ALONE, imposed: Options | None = None, args: tuple[Any, ...] = ()
    ) -> ResultNode:
        """Start `canvas`. What stands around it imposes options; `args` come before its own."""
        given = imposed or {}
        if isinstance(canvas, Signature):
            return self._task(canvas, place, given, args)
        if isinstance(canvas, Chain):
            return self._chain(canvas, place, given, args)
        if isinstance(canvas, Group):
            return self._group(canvas, given, args)
        return self._chord(canvas, place, given, args)

    def _task(self, signature: Signature, place: Place, imposed: Options, args: tuple[Any, ...]) -> ResultNode:
        frozen = self._freezer.freeze_signature(signature, place)
        options = _merged(frozen.canvas.options, {name: value for name, value in imposed.items() if value is not None})
        given = signature.args if signature.immutable else (*args, *signature.args)
        self.messages.append(self._planned(replace(signature, args=given), options))
        if options.get("ignore_result") == signature.options.get("ignore_result"):
            return frozen.result
        return replace(frozen.result, signature=replace(frozen.canvas, options=options))

    def _planned(self, signature: Signature, options: Options) -> PlannedTask:
        stamped = options.get("stamped_headers")
        own: dict[str, Any] = {name: options.get(name) for name in _FIELDS}
        own |= {name: self._embedded(options.get(name)) for name in ("link", "link_error", "chain", "chord")}
        message = TaskMessage(
            planned=True,
            task=signature.task,
            args=signature.args,
            kwargs=self._wire.kwargs(signature.kwargs),
            origin=self._sending.origin,
            eta=self._moment(options["countdown"]) if options.get("countdown") else options.get("eta"),
            expires=self._moment(options.get("expires")),
            headers=options.get("headers", {}),
            stamped_headers=stamped,
            stamps={name: options[name] for name in stamped or ()},
            **own,
        )
        route = Route(queue=options.get("queue", self._sending.queue), priority=options.get("priority", 0))
        return PlannedTask(message=message, route=route, reply_to=options["reply_to"], tags=signature.tags)

    def _moment(self, moment: datetime | float | None) -> datetime | None:
        if moment is None or isinstance(moment, datetime):
            return moment
        return self._sending.now + timedelta(seconds=moment)

    def _embedded(self, embedded: Canvas | Sequence[Canvas] | None) -> Any:
        if isinstance(embedded, Canvas):
            return self._wire.write(embedded)
        return None if embedded is None else [self._wire.write(canvas) for canvas in embedded]

    def _chain(self, chain: Chain, place: Place, imposed: Options, args: tuple[Any, ...]) -> ResultNode:
        """Send the first step, and in it the others, last one first: a worker takes the next from the end."""
        options = {**chain.options, **imposed}
        own = {name: options.pop(name, None) for name in _OF_A_CHAIN}
        at = Place(
            task_id=own["task_id"],
            group_id=own["group_id"] or place.group_id,
            group_index=place.group_index if own["group_index"] is None else own["group_index"],
            chord=own["chord"],
            errbacks=tuple(own["link_error"] or ()),
        )
        callbacks = tuple(own["link"] or ())
        tasks, late = (chain.tasks, callbacks) if _takes_links(chain.tasks) else (_linked(chain.tasks, callbacks), ())
        prepared = self._freezer.prepare(tasks, at)
        first, *rest = _linked(prepared.steps, late)
        # Celery loses the arguments of a chain that begins with a group: ``group.from_dict`` has no place for them.
        options["chain"] = (*options.get("chain", ()), *reversed(rest))
        result = self.launch(first, imposed=options, args=() if isinstance(first, Group) else args)
        return prepared.result if rest else result

    def _group(self, group: Group, imposed: Options, args: tuple[Any, ...]) -> ResultNode:
        options = _merged(group.options, imposed)
        group_id = options["group_id"] = options.pop("task_id", None) or self._freezer.new_id()
        options.pop("add_to_parent", None)
        options.pop("group_index", None)
        chord = options.pop("chord", None)
        told = {"add_to_parent": False, "chord": chord, **options}
        members = tuple(
            self.launch(task, Place(group_id=group_id, group_index=index), told, args)
            for index, task in numbered(group.tasks)
        )
        result = ResultNode(id=group_id, children=members)
        if chord is not None and members:
            self._wait(result, size(group), Delays(self._sending.now).end(group, imposed=options))
        return members[0] if len(members) == 1 and members[0].children is not None else result

    def _wait(self, group: ResultNode, tasks: int, put_off: float) -> None:
        """How many tasks the chord waits for; and where members end in groups, how their results are put together."""
        key, seconds = f"{GROUP_PREFIX}{group.id}", ceil(put_off)
        self.keys.append(BackendKey(key=f"{key}.s", value=str(tasks), put_off=seconds))
        if any(member.children is not None for member in group.children or ()):
            self.keys.append(BackendKey(key=key, value=dumps({"result": group.as_tuple(DEEPEST)}), put_off=seconds))

    def _chord(self, chord: Chord, place: Place, imposed: Options, args: tuple[Any, ...]) -> ResultNode:
        if place is not ALONE:
            chord = self._freezer.freeze_chord(chord, place).canvas
        # A countdown that is imposed is the body's alone: ``chord.run`` has a parameter of that name, for other things.
        options = {**chord.options, **{name: value for name, value in imposed.items() if name != "countdown"}}
        task_id = options.pop("task_id", None) or self._freezer.new_id()
        group_id = chord.header.options.get("task_id") or chord.options.get("task_id") or self._freezer.new_id()
        merged = _merged(chord.body.options, imposed)
        told = replace(chord.body, options={**merged, **options})
        body = self._freezer.freeze(told, Place(task_id=task_id, group_id=group_id))
        header = replace(chord.header, options=chord.header.options or {"task_id": group_id})
        members = self._freezer.freeze_group(header, Place(group_id=group_id, chord=body.canvas)).canvas
        if not members.tasks:
            self.launch(body.canvas, args=([],))
            return body.result.after(ResultNode(id=group_id, children=()))
        # Neither belongs to the members: the chain goes on after the body, and the body is in a chord of its own.
        imposed = {name: value for name, value in options.items() if name not in ("chain", "chord")}
        result = self.launch(members, imposed=imposed, args=args)
        return body.result.after(result)


_OF_A_CHAIN = ("task_id", "group_id", "group_index", "chord", "link", "link_error", "root_id", "parent_id")
_FIELDS = (
    *("task_id", "time_limit", "soft_time_limit", "shadow", "ignore_result"),
    *("root_id", "parent_id", "group_id", "group_index", "serializer", "compression", "argsrepr", "kwargsrepr"),
)


def _takes_links(tasks: Sequence[Canvas]) -> bool:
    """Whether Celery can put a chain's callbacks on its last step: not on a chord, whose header refuses them.

    There they go to the body, where ``chord.link`` puts them.
    """
    *_, last = ends = deque(steps(tasks), maxlen=2)
    return not isinstance(last, Chord) and not (len(ends) > 1 and all(isinstance(step, Group) for step in ends))


def _linked(tasks: tuple[Canvas, ...], callbacks: tuple[Canvas, ...]) -> tuple[Canvas, ...]:
    return (*tasks[:-1], _ending(tasks[-1], callbacks)) if callbacks else tasks


def _ending(last: Canvas, callbacks: tuple[Canvas, ...]) -> Canvas:
    step = unrolled(last)
    if step is not last:
        return unrolled_as(last, _ending(step, callbacks))
    if isinstance(step, Chain):
        return replace(step, tasks=_linked(step.tasks, callbacks))
    if isinstance(step, Chord):
        return reduce(Chord.link, callbacks, step)
    return replace(step, options={**step.options, "link": (*step.options.get("link", ()), *callbacks)})
