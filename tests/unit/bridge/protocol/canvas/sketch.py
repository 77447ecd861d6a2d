"""Plans written short: one line for each message, with what it says of what follows it."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bridge.protocol.canvas import Canvas, Plan, PlannedTask, Sending, plan, signature

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
a, b, c, d, e = (signature(name) for name in "abcde")


def planned(canvas: Canvas) -> Plan:
    """The plan of `canvas`, with ids from i1 on."""
    numbers = itertools.count(1)
    sending = Sending(new_id=lambda: f"i{next(numbers)}", now=NOW, queue="celery", reply_to="me", origin="here")
    return plan(canvas, sending)


def lines(canvas: Canvas) -> list[str]:
    """The messages of `canvas`, and what its chords wait for: ``a(x) +chain[b] +link[c] #0 of i1``, ``i1.s=2``."""
    made = planned(canvas)
    counters = (key for key in made.keys if key.key.endswith(".s"))
    keys = [f"{key.key.removeprefix('celery-taskset-meta-')}={key.value}" for key in counters]
    return [*map(_message, made.messages), *keys]


def _message(task: PlannedTask) -> str:
    message = task.message
    within = {name: getattr(message, name) for name in ("chain", "link", "link_error", "chord")}
    place = f" #{message.group_index} of {message.group_id}" if message.group_id else ""
    return f"{message.task}({', '.join(map(str, message.args))}){''.join(_options(within))}{place}"


def written(sent: Any) -> str:
    """A signature as it stands in a message."""
    kwargs, kind = sent["kwargs"], sent["subtask_type"]
    if kind == "chord":
        header = kwargs["header"]
        members = header if isinstance(header, list) else header["kwargs"]["tasks"]
        inner = f"({', '.join(map(written, members))} -> {written(kwargs['body'])})"
    elif kind:
        inner = f"({', '.join(map(written, kwargs['tasks']))})"
    else:
        inner = ""
    return f"{kind or sent['task']}{inner}{'!' * sent['immutable']}{''.join(_options(sent['options']))}"


def _options(options: Any) -> Iterator[str]:
    for name in ("chain", "link", "link_error"):
        if options.get(name):
            yield f" +{name}[{', '.join(map(written, options[name]))}]"
    if options.get("chord"):
        yield f" +chord[{written(options['chord'])}]"
