"""Whatever a caller may hand to `submit`: JSON and what is not, names, and every option, good and bad."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from bridge import signature
from bridge.protocol.message import RESERVED_HEADERS
from bridge.protocol.values import MAX_DEPTH
from tests.nesting import nested

SOON, LATE = timedelta(seconds=0.2), timedelta(hours=2)
TASKS = ("echo", "request", "fails", "forgets", "odd", "reports", "sends_progress", "retries", "gives_up", "nowhere")
OWN_EXCHANGES = ("celeryev", "celery.pidbox", "reply.celery.pidbox", "celeryev/worker.heartbeat")
EVERYBODY = "everybody"
"""A fanout exchange that the worker listens to, whatever the routing key."""
KEPT_QUEUES = ("unacked", "unacked_index", "_kombu.binding.celery", "celery.pidbox", "celeryev", "celery-task-meta-x")
TYPED_NAMES = ("datetime", "date", "time", "decimal", "uuid", "bytes", "base64", "nonsense", "")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of `submit`."""

    task: str
    args: Any
    kwargs: Any
    options: Mapping[str, Any]


texts = st.text(max_size=12) | st.text(st.characters(), max_size=3) | st.sampled_from(["\ud800", "\x00", "__type__"])
huge = st.builds(pow, st.just(10), st.sampled_from([400, 4_299, 5_000]))
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**64), math.nan, -math.inf]) | huge
typed = st.sampled_from(
    [
        *(datetime(2026, 1, 1, tzinfo=UTC), datetime.max, datetime.min, date.min, time(1, 2, 3, 4), UUID(int=0)),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+999"), b"", b"\xff", b"text"),
    ]
)
others = st.sampled_from([object(), {1}, 1j, range(2), nested(MAX_DEPTH - 1), nested(MAX_DEPTH), nested(400)])
leaves = st.none() | st.booleans() | numbers | texts | typed | others
keys = texts | st.sampled_from(["__type__", "__value__", "task", "options", "self", "task_id", "", "a/b~c"])


odd_keys = keys | st.none() | st.booleans() | huge | st.just(b"key")


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    reserved = st.fixed_dictionaries({"__type__": st.sampled_from(TYPED_NAMES) | inner, "__value__": inner})
    return st.lists(inner, max_size=3) | st.dictionaries(odd_keys, inner, max_size=3) | st.tuples(inner) | reserved


@st.composite
def mostly(draw: st.DrawFn, usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> Any:
    """One in eight is odd; more of them, and nearly every call would be refused."""
    return draw(odd if draw(st.integers(0, 7)) == 7 else usual)


anything = st.recursive(leaves, _containers, max_leaves=6)
sound = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = texts | st.sampled_from(["celery.group", "celery.chord", "celery.backend_cleanup", "x" * 256, "a b", "é.ü"])
ids = st.uuids().map(str) | texts | st.sampled_from(["x" * 255, "x" * 256, "a/b", "twice"])
maybe_ids = st.none() | ids
moments = st.one_of(
    st.sampled_from([datetime.max, datetime.min, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]),
    st.datetimes(),
    st.builds(lambda by: datetime.now(UTC) + by, st.sampled_from([-LATE, timedelta(0), SOON, LATE])),
)
seconds = st.floats() | st.integers() | st.sampled_from([0, -1, 1e-9, 0.2, 7200, 1e9, 1e300]) | huge
limits = st.none() | seconds
signatures = st.builds(signature, st.sampled_from(["golden.echo", "golden.nowhere"]), st.lists(leaves, max_size=1))
headers = st.dictionaries(texts | st.sampled_from(sorted(RESERVED_HEADERS)), anything, max_size=3)

OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.sampled_from(KEPT_QUEUES) | texts,
    "exchange": st.none() | texts | st.sampled_from(OWN_EXCHANGES),
    "routing_key": st.none() | texts,
    "priority": st.integers(-2, 11) | st.integers(),
    "countdown": st.none() | st.sampled_from([0, 0.1, -1, math.nan, 7200, 1e9]) | huge,
    "eta": st.none() | moments,
    "expires": st.none() | moments | seconds,
    "time_limit": limits,
    "soft_time_limit": limits,
    "task_id": maybe_ids,
    "tags": st.lists(texts, max_size=3) | st.sampled_from([["x" * 200], ["t"] * 40]),
    "serializer": st.sampled_from(["json", "nonsense"]),
    "compression": st.none() | st.sampled_from(["zlib", "gzip", "bzip2", "lzma", "nonsense"]),
    "ignore_result": st.none() | st.booleans(),
    "shadow": st.none() | texts,
    "headers": st.none() | headers,
    "stamps": st.none() | st.dictionaries(texts | st.sampled_from(["id", "task", "group"]), anything, max_size=2),
    "stamped_headers": st.none() | st.lists(texts, max_size=2),
    "link": st.none() | signatures | st.lists(signatures, max_size=2),
    "link_error": st.none() | signatures | st.lists(signatures, max_size=2),
    "root_id": maybe_ids,
    "parent_id": maybe_ids,
    "group_id": maybe_ids,
    "group_index": st.none() | st.integers(),
    "chord": st.none() | signatures,
    "retries": st.integers() | st.sampled_from([0, 1]),
    "reply_to": st.none() | texts,
    "correlation_id": st.none() | texts,
    "argsrepr": st.none() | texts,
    "kwargsrepr": st.none() | texts,
    "record": st.booleans(),
}
"""By name, what is near to what an option takes."""
WHERE_AND_WHEN = {"queue", "exchange", "routing_key", "eta", "countdown"}


@st.composite
def _some_options(draw: st.DrawFn) -> dict[str, Any]:
    """Few at a time, or nearly every call is refused for one of them.

    What no worker takes up soon is cancelled by the test, and only what is recorded can be.
    """
    chosen = draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True))
    if WHERE_AND_WHEN & set(chosen):
        chosen = [name for name in chosen if name != "record"]
    return {name: draw(mostly(OPTIONS[name], anything)) for name in chosen}


routing_keys = st.sampled_from(["celery", "a.b", "a/b", "é.ü", "*", "worker.heartbeat", "worker.online", "task.multi"])


@st.composite
def _told_to_everybody(draw: st.DrawFn) -> dict[str, Any]:
    """For a fanout exchange; what would wait long at the worker is left out, since nothing can take it back."""
    exchange = draw(mostly(st.just(EVERYBODY) | st.sampled_from(OWN_EXCHANGES), texts))
    where = {"exchange": exchange, "routing_key": draw(mostly(routing_keys, OPTIONS["routing_key"]))}
    rest = {name: value for name, value in draw(_some_options()).items() if name not in WHERE_AND_WHEN}
    soon = {"countdown": SOON.total_seconds()} if draw(st.booleans()) else {}
    return {**rest, **soon, **where, "record": draw(mostly(st.just(False), st.booleans()))}


calls = st.builds(
    Call,
    task=mostly(st.sampled_from(TASKS).map(lambda name: f"golden.{name}"), names),
    args=mostly(st.lists(mostly(sound, anything), max_size=2), anything),
    kwargs=mostly(st.just({}), st.dictionaries(keys, mostly(sound, anything), max_size=2) | st.none() | anything),
    options=st.one_of(_some_options(), _some_options(), _some_options(), _told_to_everybody()),
)
