"""Every option of Celery's `send_task` with values of it, and Celery's producer called with them.

Needs nothing but Celery, of any version.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from celery import Celery

from tests.contract.canvas_calls import Call, a, b, build_celerys, c, chain, chord, group, task

LATER = datetime(2030, 1, 31, 12, 30, 15, 123_456, tzinfo=UTC)
VALUES: Mapping[str, tuple[Any, ...]] = {
    "queue": ("mail",),
    "priority": (5, 9),
    "countdown": (3, 0.5),
    "eta": (LATER,),
    "expires": (LATER, 60, 1.5),
    "time_limit": (30, 7.5),
    "soft_time_limit": (5, 2.5),
    "serializer": ("json", *(name for name in ("yaml", "msgpack") if find_spec(name))),
    "compression": (
        *("zlib", "gzip", "bzip2", "bzip", "lzma", "xz", "application/x-bz2"),
        *(name for name, package in (("zstd", "zstandard"), ("brotli", "brotli")) if find_spec(package)),
    ),
    "ignore_result": (True, False),
    "shadow": ("é.shadow",),
    "headers": ({"x": 1}, {"y": {"z": [None, "ü", 1.5]}, "w": True}),
    "stamps": ({"tenant": "acme"}, {"b": [1, "2", None], "a": True}),
    "link": (a, (b, chain(b, c)), (task("b", options={"queue": "q", "expires": 5}),)),
    "link_error": (a, (group(a, b), chord((a, b), c))),
    "chord": (c, chain(b, c)),
    "root_id": ("root",),
    "parent_id": ("parent",),
    "group_id": ("group",),
    "group_index": (0, 7),
    "retries": (0, 2),
    "reply_to": ("somewhere",),
    "correlation_id": ("other",),
    "argsrepr": ("(…)", ""),
    "kwargsrepr": ("{'a': \"b\"}",),
}
"""In the order in which they are given, which is that of Celery's additional properties."""
CANVASES = {"link", "link_error", "chord"}
ALONE = [(name, value) for name, values in VALUES.items() for value in values]
ARGS, KWARGS = [1, "é", [None]], {"b": {"c": 2}}


def sent(app: Celery, options: Mapping[str, Any]) -> str:
    """What Celery's producer puts into the queue."""
    given = {name: _built(app, value) if name in CANVASES else value for name, value in options.items()}
    stamps = given.pop("stamps", None)
    if stamps is not None:
        given |= {"stamped_headers": list(stamps), **stamps}
    app.send_task("tasks.add", ARGS, KWARGS, task_id="a1", **given)
    backend: Any = app.backend  # celery-types knows the base class alone
    queue = options.get("queue", "celery")
    taken = [backend.client.rpop(key) for key in (queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9)))]
    (text,) = [one.decode() for one in taken if one]
    return str(text)


def _built(app: Celery, value: Any) -> Any:
    return build_celerys(value, app) if isinstance(value, Call) else [build_celerys(one, app) for one in value]
