"""What a canvas writes is, but for the ids, to the letter what the installed Celery writes for the same call."""

import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from bridge.errors import InvalidMessage
from bridge.protocol.canvas.shape import MAPS, steps
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature
from tests.contract.canvas_calls import CALLS, LATER, Call, a, b, body, c, chain, chord, group, producer, task, written
from tests.contract.comparable_writes import Writes, normalised, readable, without_groups
from tests.contract.our_canvases import build_ours, our_writes

EXAMPLES = int(os.environ.get("CANVAS_EXAMPLES", "400"))


@pytest.fixture(scope="module")
def app(shared_url: str) -> Iterator[Celery]:
    """Celery as a producer that knows tasks by their names only."""
    with producer(shared_url) as made:
        made.conf.task_ignore_result = False
        yield made


def celery_writes(app: Celery, call: Call) -> Writes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Celery tells of a default that may change
        return readable(written(app, call))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_canvas_writes_to_the_letter_what_celery_writes(app: Celery, call: Call) -> None:
    ours, celerys = our_writes(call, app.thread_oid), celery_writes(app, call)
    assert normalised(ours, app.thread_oid) == normalised(celerys, app.thread_oid)


PACKED: dict[str, Any] = {"serializer": "msgpack", "compression": "bzip2"}


@pytest.mark.skipif(not find_spec("msgpack"), reason="msgpack is not installed")
@pytest.mark.parametrize(
    "call",
    [
        task("a", options=PACKED, link=(b, chain(c, task("d", options=PACKED)))),
        chain(task("a", options=PACKED), b, options={"priority": 3}),
        group(a, chain(b, c), options=PACKED),
        chord((a, b), body, options=PACKED),
    ],
    ids=["a link", "a chain", "a group", "a chord"],
)
def test_a_canvas_in_another_serialization_is_what_celery_writes(app: Celery, call: Call) -> None:
    """But for groups within a message: of those Celery writes MessagePack that nobody can read."""
    ours, celerys = our_writes(call, app.thread_oid), celery_writes(app, call)
    assert normalised(ours, app.thread_oid) == normalised(celerys, app.thread_oid)


SOME_OPTIONS: list[dict[str, Any]] = [
    *({"queue": "mail"}, {"priority": 6}, {"countdown": 9}, {"headers": {"x": 1}}, {"headers": {"y": {"z": [None]}}}),
    *({"expires": 60}, {"expires": LATER}, {"eta": LATER}, {"time_limit": 5, "soft_time_limit": 3.5}),
    *({"shadow": "s", "queue": "own"}, {"ignore_result": True}, {"compression": "zlib"}, {"serializer": "json"}),
    *({"argsrepr": "(…)", "kwargsrepr": ""},),
]
OPTIONS: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.sampled_from(SOME_OPTIONS)
STAMPED_WITH = st.sampled_from([{}, {}, {}, {"tenant": "acme"}, {"day": 1}, {"tenant": "acme", "day": 1.5}])
"""No lists: Celery extends a list in place that many tasks share, so some get values of others."""
ARGUMENTS = st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=2), st.lists, max_leaves=3)
ITEMS = st.lists(st.tuples(ARGUMENTS), min_size=1, max_size=3).map(tuple)
TASKS = st.one_of(
    st.builds(
        task,
        ARGUMENTS,
        immutable=st.booleans(),
        options=OPTIONS,
        stamps=STAMPED_WITH,
        kwargs=st.dictionaries(st.sampled_from("kw"), ARGUMENTS),
    ),
    st.builds(Call, kind=st.sampled_from(["xmap", "xstarmap", "chunks"]), args=ITEMS, options=OPTIONS),
)
DEPTH = 4
"""Chains, groups, chords and callbacks within each other."""


def several(inner: st.SearchStrategy[Call], least: int) -> st.SearchStrategy[tuple[Call, ...]]:
    return st.lists(inner, min_size=least, max_size=3).map(tuple)


def composed(inner: st.SearchStrategy[Call]) -> st.SearchStrategy[Call]:
    links = st.lists(inner, max_size=1).map(tuple) | st.just(())
    more: dict[str, Any] = {"options": OPTIONS, "stamps": STAMPED_WITH, "link": links, "link_error": links}
    return st.one_of(
        st.builds(Call, kind=st.just("task"), args=st.just((1,)), **more),
        st.builds(Call, kind=st.just("chain"), tasks=several(inner, 1), **more),
        st.builds(Call, kind=st.just("group"), tasks=several(inner, 0), **more),
        st.builds(Call, kind=st.just("chord"), tasks=several(inner, 1), **more),
        st.builds(Call, kind=st.just("or"), tasks=st.tuples(inner, inner), **more),
    )


CANVASES: st.SearchStrategy[Call] = TASKS
for _ in range(DEPTH):
    CANVASES = TASKS | composed(CANVASES)


def links(canvas: Canvas) -> list[Canvas]:
    return [*canvas.options.get("link", ()), *canvas.options.get("link_error", ())]


def parts(canvas: Canvas) -> Iterator[Canvas]:
    yield canvas
    inner = links(canvas)
    if isinstance(canvas, Chain | Group):
        inner += canvas.tasks
    elif isinstance(canvas, Chord):
        inner += [*canvas.header.tasks, canvas.body]
    for part in inner:
        yield from parts(part)


def differs_by_intent(canvas: Canvas) -> bool:
    """Where Celery itself goes wrong, and we do not."""
    found = list(parts(canvas))
    if isinstance(canvas, Signature) and canvas.task in MAPS and canvas.options:
        return True  # ``_basemap.apply_async`` forgets the options of a map that is called by itself
    return any(map(links_to_a_chord_at_the_end, found)) or (
        # One callback is linked to many tasks, or to copies of them, so it may get stamps of others or lose its own.
        any("stamped_headers" in part.options for part in found) and any(map(links, found))
    )


def links_to_a_chord_at_the_end(canvas: Canvas) -> bool:
    """Celery gives the callbacks of such a chain to the chord, and the worker that starts it raises TypeError."""
    if not isinstance(canvas, Chain) or "link" not in canvas.options:
        return False
    ends = list(steps(canvas.tasks))[-2:]
    return isinstance(ends[-1], Chord) or (len(ends) > 1 and all(isinstance(step, Group) for step in ends))


def nests_groups(canvas: Canvas) -> bool:
    """Where groups are in groups, more differs by intent than `INNER_GROUP`: whatever names an inner one, and counters,
    of which Celery has one where two groups have one id."""
    groups = [part for part in parts(canvas) if isinstance(part, Group | Chord)]
    return any(sum(isinstance(inner, Group | Chord) for inner in parts(part)) > 1 for part in groups)


@given(CANVASES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_canvas_writes_to_the_letter_what_celery_writes(app: Celery, call: Call) -> None:
    try:
        canvas = build_ours(call)
        ours = our_writes(call, app.thread_oid)
    except InvalidMessage:
        reject()
    assume(not differs_by_intent(canvas))
    celerys = celery_writes(app, call)
    if nests_groups(canvas):
        assert without_groups(ours) == without_groups(celerys)
    else:
        assert normalised(ours, app.thread_oid) == normalised(celerys, app.thread_oid)
