"""Canvases written down once, and built of Celery's classes; `our_canvases` builds them of ours.

Needs nothing but Celery, of any version.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import celery
from celery import Celery


@dataclass(frozen=True, kw_only=True)
class Call:
    """A canvas as it is called: `kind` of what, and what is done with it afterwards."""

    kind: str
    task: str = "golden.echo"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple["Call", ...] = ()
    immutable: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    link: tuple["Call", ...] = ()
    link_error: tuple["Call", ...] = ()
    stamps: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if value and name not in ("kind", "tasks")}
        inner = ", ".join([*map(repr, self.tasks), *(f"{name}={value!r}" for name, value in shown.items())])
        return f"{self.kind}({inner})"


def task(*args: Any, **more: Any) -> Call:
    return Call(kind="task", args=args, **more)


def chain(*tasks: Call, **more: Any) -> Call:
    return Call(kind="chain", tasks=tasks, **more)


def group(*tasks: Call, **more: Any) -> Call:
    return Call(kind="group", tasks=tasks, **more)


def chord(header: tuple[Call, ...], body: Call, **more: Any) -> Call:
    return Call(kind="chord", tasks=(*header, body), **more)


a, b, c, d, e = (task(name) for name in "abcde")
body = task(kwargs={"body": True})

LATER = datetime(2030, 1, 31, 12, 30, 15, 123_456, tzinfo=UTC)
CALLS: dict[str, Call] = {
    "a task": a,
    "a chain": chain(a, b, c),
    "a chain of one": chain(a),
    "a group": group(a, b),
    "a group of one": group(a),
    "an empty group": group(),
    "a chord": chord((a, b), body),
    "a chord of one": chord((a,), body),
    "a chord with an empty header": chord((), body),
    "a group and then a task": Call(kind="or", tasks=(group(a, b), body)),
    "a group of one and then a task": Call(kind="or", tasks=(group(a), body)),
    "a group of one in a chain": chain(group(a), b),
    "a group in a chain": chain(a, group(b, c), d),
    "a chain that ends in a group": chain(a, group(b, c)),
    "a group, a group": chain(group(a, b), group(c, d)),
    "a task, a group, a group, a task": chain(a, group(b, c), group(d, e), body),
    "three groups": chain(group(a, b), group(b, c), group(d, e)),
    "an empty group in a chain": chain(a, group(), b),
    "an empty group first": chain(group(), b),
    "a group in a group": group(a, group(b, c), d),
    "a chain in a group": group(chain(a, b), c),
    "a chain of one in a group": group(chain(a), c),
    "a chain that ends in a group in a group": group(chain(a, group(b, c))),
    "a chord in a group": group(a, chord((b, c), body)),
    "a chord in a chord's header": chord((chord((a, b), body), c), d),
    "a chord as a chord's body": chord((a, b), chord((c, d), body)),
    "a chain in a header": chord((chain(a, b), c), body),
    "a chain that ends in a group in a header": chord((chain(a, group(b, c)), d), body),
    "a chain that ends in a group beside others in a header": chord((a, b, chain(c, group(d, e))), body),
    "a chord with a group as body beside others in a header": chord((a, b, chord((c,), group(d, e))), body),
    "a group in a header": chord((group(a, group(b, c)), d), body),
    "a chain as a body": chord((a, b), chain(c, d)),
    "a group as a body": chord((a, b), group(c, d)),
    "a chain that ends in a group as a body": chord((a, b), chain(c, group(d, e))),
    "an empty header and a chain": chord((), chain(a, b)),
    "an empty header and a group": chord((), group(a, b)),
    "an empty header and a chord": chord((), chord((a, b), body)),
    "a chain header": Call(kind="or", tasks=(chord((a, b), body), chain(c, d))),
    "a chord in a chain": chain(a, chord((b, c), d), e),
    "a chord first in a chain": chain(chord((a, b), body), c),
    "two chords": chain(chord((a, b), body), chord((c, d), e)),
    "a chain of upgrades in a group": group(chain(group(a, b), c), chain(a, group(b, c), d, e)),
    "immutable parts": chain(a, task("b", immutable=True), group(task("c", immutable=True), d)),
    "immutable group": chain(a, group(b, c, options={"immutable": True})),
    "immutable chord": chain(a, chord((b, c), d, options={"immutable": True})),
    "a link": task("a", link=(b, chain(c, d)), link_error=(e,)),
    "links that are groups and chords": task("a", link=(group(b, c), chord((d,), e)), link_error=(group(a), chain(b))),
    "a link twice": task("a", link=(b, b), link_error=(e, e)),
    "a link on a chain": chain(a, b, c, link=(d,), link_error=(e,)),
    "links on a chain that goes on": chain(chain(a, b, link=(d,), link_error=(e,)), c),
    "a link on a chain of one": chain(a, link=(d,)),
    "a link on a group": group(a, b, link=(c,), link_error=(d,)),
    "links of several tasks on a group": group(
        a, b, link=(chain(c, d),), link_error=(chain(c, d), group(a, b), chord((a,), b))
    ),
    "a link of a group on a group": group(a, b, link=(group(c, d),)),
    "a link of a chord on a group": group(a, b, link=(chord((c, d), e),)),
    "a link on a chord": chord((a, b), body, link=(c,), link_error=(d,)),
    "a link on a chord of a chord": chord((chord((a, b), c), d), body, link=(c,), link_error=(d,)),
    "a link on a chain with a chord": chain(a, group(b, c), d, link_error=(e,)),
    "a link on a chain that ends in a group": chain(a, group(b, c), link=(d,), link_error=(e,)),
    "a link on a chain with two groups": chain(group(a, b), group(b, c), link_error=(e,)),
    "errbacks on a chain with a chord of a chord": chain(
        a, chord((b, chord((c, d), e)), chord((a, b), chain(c, d))), link_error=(e,)
    ),
    "a linked chain in a group": group(chain(a, b, link=(c,), link_error=(d,)), c),
    "a linked chain as a body": chord((a,), chain(a, b, link=(c,), link_error=(d,))),
    "options": task(
        "a", options={"queue": "mail", "priority": 5, "shadow": "s", "time_limit": 5, "soft_time_limit": 3}
    ),
    "options that are times": chain(
        a, task("b", options={"eta": LATER, "expires": LATER}), task("c", options={"countdown": 3, "expires": 30})
    ),
    "times at once": task("b", options={"countdown": 3, "expires": LATER}),
    "headers": chain(task("a", options={"headers": {"x-a": 1}}), task("b", options={"headers": {"x-b": {"c": [1]}}})),
    "ignored results": group(
        task("a", options={"ignore_result": True}), chain(b, task(options={"ignore_result": True}))
    ),
    "options on a chain": chain(a, b, options={"queue": "mail", "priority": 3}),
    "options on a chain in a group": group(chain(a, b, options={"queue": "mail"}), c, options={"priority": 9}),
    "options on a group": group(a, task("b", options={"queue": "own"}), options={"queue": "mail", "priority": 6}),
    "options on a chord": chord((a, b), body, options={"queue": "mail", "priority": 6}),
    "options on a chord in a chain": chain(a, chord((b, c), d, options={"queue": "mail"})),
    "options on a chord in a group": group(chord((b, c), d, options={"queue": "mail"}), options={"priority": 3}),
    "an id of its own": task("a", options={"task_id": "mine"}),
    "ids of their own": chain(task("a", options={"task_id": "m1"}), task("b", options={"task_id": "m2"})),
    "a chain's id": chain(a, b, options={"task_id": "mine"}),
    "a group's id": group(a, b, options={"task_id": "mine"}),
    "a chord's id": chord((a, b), body, options={"task_id": "mine"}),
    "a stamp": task("a", stamps={"tenant": "acme"}, link=(b,), link_error=(c,)),
    "a stamped chain": chain(a, b, stamps={"tenant": "acme"}, link=(c,)),
    "a stamped group": group(a, chain(b, c), stamps={"tenant": ["x", "y"]}, link_error=(c,)),
    "a stamped chord": chord((a, b), body, stamps={"tenant": "acme"}, link=(c,)),
    "stamps upon stamps": chain(task("a", stamps={"one": [1], "two": 2}), stamps={"one": [3], "three": 4}),
    "stamps and options": group(
        task("a", stamps={"t": 1}), chain(task("b", stamps={"t": 2}), c), options={"priority": 3}
    ),
    "a map": Call(kind="xmap", args=(1, 2, 3)),
    "a starmap": Call(kind="xstarmap", args=((1, 2), (3, 4))),
    "chunks": Call(kind="chunks", args=((1, 2), (3, 4), (5, 6))),
    "chunks and a body": chain(Call(kind="chunks", args=((1, 2), (3, 4), (5, 6))), body),
    "a map in a chain": chain(
        a, Call(kind="xmap", args=(1, 2)), Call(kind="xstarmap", args=((1, 2),), options={"queue": "q"})
    ),
}


def build_celerys(call: Call, app: Celery) -> Any:
    built = _CELERYS[call.kind](call, [build_celerys(inner, app) for inner in call.tasks], app)
    if call.options:
        built.set(**call.options)
    for callback in call.link:
        built.link(build_celerys(callback, app))
    for errback in call.link_error:
        built.link_error(build_celerys(errback, app))
    if call.stamps:
        built.stamp(**deepcopy(dict(call.stamps)))  # Celery writes into lists
    return built


_canvas: Any = celery  # celery-types is narrower than Celery
_CELERYS: dict[str, Callable[[Call, list[Any], Celery], Any]] = {
    "task": lambda call, _, app: app.signature(call.task, call.args, dict(call.kwargs), immutable=call.immutable),
    "chain": lambda _, tasks, app: _canvas.chain(tasks),
    "group": lambda _, tasks, app: celery.group(tasks, app=app),
    "chord": lambda _, tasks, app: celery.chord(tasks[:-1], tasks[-1], app=app),
    "or": lambda _, tasks, app: tasks[0] | tasks[1],
    "xmap": lambda call, _, app: _canvas.xmap(app.signature(call.task), list(call.args), app=app),
    "xstarmap": lambda call, _, app: _canvas.xstarmap(app.signature(call.task), list(call.args), app=app),
    "chunks": lambda call, _, app: celery.group(
        list(_canvas.chunks(app.signature(call.task), call.args, 2, app=app).group().tasks), app=app
    ),
}


@contextmanager
def producer(url: str) -> Iterator[Celery]:
    """Celery with an empty database, which knows tasks by their names only."""
    with Celery("producer", broker=url, backend=url, set_as_current=False) as app:
        backend: Any = app.backend  # celery-types knows the base class alone
        backend.client.flushall()
        # A result that is thrown away while Celery subscribes to another waits for a lock that is held.
        backend.result_consumer.consume_from = lambda _task_id: None
        yield app
        backend.client.connection_pool.disconnect()


def written(app: Celery, call: Call) -> dict[str, list[str]]:
    """What Celery writes for a canvas, by key; of a queue the oldest message first."""
    backend: Any = app.backend
    client = backend.client
    client.flushall()
    build_celerys(call, app).apply_async()
    keys = [key.decode() for key in client.keys("*") if not key.startswith(b"_kombu")]
    stored = {key: [client.get(key).decode()] for key in keys if key.startswith("celery-")}
    queued = {key: [one.decode() for one in client.lrange(key, 0, -1)[::-1]] for key in keys if key not in stored}
    return stored | queued
