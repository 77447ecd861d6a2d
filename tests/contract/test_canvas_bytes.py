"""What a canvas writes is, but for the ids, to the letter what the installed Celery writes for the same call."""

import json
import os
import re
import warnings
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from kombu.utils.uuid import uuid

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import Sending, plan
from bridge.protocol.canvas.shape import MAPS, steps
from bridge.protocol.compression import decompressed
from bridge.protocol.keys import BrokerKeys
from bridge.protocol.serializers import JSON, json_text, loads
from bridge.protocol.signature import Canvas, Chain, Chord, Group, Signature
from tests.contract.canvas_calls import (
    CALLS,
    LATER,
    Call,
    a,
    b,
    body,
    build_celerys,
    build_ours,
    c,
    chain,
    chord,
    group,
    producer,
    sealed,
    task,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NAMED = re.compile(r"<\d+>")
STAMPED = re.compile(r'("stamped_headers": )\[([^\]]*)\]')
STAMPS = re.compile(r'("stamps": )(\{[^}]*\})')
SOON = timedelta(minutes=10)
EXAMPLES = int(os.environ.get("CANVAS_EXAMPLES", "400"))
OLDER = ('"ignore_result": false', '"ignore_result": null')
"""Celery before 5.7 says false for a task of which it knows the name alone, over the head of the task itself."""
INNER_GROUP = re.compile(r'"task_id": "[^"]*", ("group_id": "[^"]*")')
INNER_GROUP_MASKED = r'"task_id": "<its own>", \1'
"""A group in another. Celery before 5.7 gives it the id of that one, with which some chords wait for ever."""


@pytest.fixture(scope="module")
def app(shared_url: str) -> Iterator[Celery]:
    """Celery as a producer that knows tasks by their names only."""
    with producer(shared_url) as made:
        made.conf.task_ignore_result = False
        yield made


Writes = dict[str, list[str]]
"""Values by key; of a queue the oldest first."""


def celery_writes(app: Celery, call: Call) -> Writes:
    backend: Any = app.backend  # celery-types knows the base class alone
    client = backend.client
    client.flushall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Celery tells of a default that may change
        build_celerys(call, app).apply_async()
    keys = [key.decode() for key in client.keys("*") if not key.startswith(b"_kombu")]
    stored = {key: [client.get(key).decode()] for key in keys if key.startswith("celery-")}
    queued = {key: client.lrange(key, 0, -1)[::-1] for key in keys if key not in stored}
    return stored | {key: [unsealed(value) for value in values] for key, values in queued.items()}


def our_writes(app: Celery, call: Call) -> Writes:
    made = plan(build_ours(call), Sending(new_id=uuid, now=datetime.now(UTC), queue="celery", reply_to=app.thread_oid))
    written = {key.key: [key.value] for key in made.keys}
    for planned in made.messages:
        key = BrokerKeys().list_of(planned.route.queue, planned.route.priority)
        written.setdefault(key, []).append(unsealed(sealed(planned, "")))
    return written


def unsealed(envelope: bytes) -> str:
    """An envelope as text, its body read, without what can never be the same."""
    sent = json.loads(envelope)
    headers, properties = sent["headers"], sent["properties"]
    headers["origin"] = "<origin>"
    properties["delivery_tag"] = "<tag>"
    for clocked in {"eta", "expires"} & headers.keys():
        headers[clocked] = headers[clocked] and _unless_soon(headers[clocked])
    if "expiration" in properties:
        properties["expiration"] = "<ms>"
    body = b64decode(sent.pop("body"))
    if "compression" in headers:
        body = decompressed(body, headers["compression"])
    text = body.decode() if sent["content-type"] == JSON.content_type else json_text(loads(body, sent["content-type"]))
    return f"{json.dumps(sent).replace(*OLDER)} {INNER_GROUP.sub(INNER_GROUP_MASKED, text)}"


def _unless_soon(moment: str) -> str:
    """A moment that a countdown leads to depends on the clock."""
    return "<soon>" if datetime.fromisoformat(moment) - datetime.now(UTC) < SOON else moment


def normalised(writes: Writes, reply_to: str) -> str:
    """All of it as one text, ids named in the order in which they appear."""
    names = {reply_to: "<oid>"}
    queues = sorted(key for key in writes if not key.startswith("celery-"))
    queued = "\n".join(_renamed(f"{key}: {value}", names) for key in queues for value in writes[key])
    stored = [f"{key}: {_without_other_groups(writes[key][0])}" for key in writes if key not in queues]
    text = "\n".join([queued, *sorted(_renamed(line, names) for line in stored)])
    # Celery takes stamps out of a set, so in any order.
    text = STAMPED.sub(lambda found: f"{found[1]}{sorted(found[2].split(', '))}", text)
    return STAMPS.sub(lambda found: f"{found[1]}{sorted(json.loads(found[2]).items())}", text)


def _without_other_groups(stored: str) -> str:
    """The same without ids of groups within the one that is stored, and before it.

    Celery gives the header of a chord another id after it has stored this one, which then names nothing; of a group
    in another see `INNER_GROUP`.
    """

    def of(node: Any, within: bool) -> Any:
        (name, parent), children = node
        inner = None if children is None else [of(child, True) for child in children]
        return [["a group" if within and inner is not None else name, parent and of(parent, True)], inner]

    value = json.loads(stored)
    return json.dumps({"result": of(value["result"], False)}) if isinstance(value, dict) else stored


def _renamed(text: str, names: dict[str, str]) -> str:
    return UUID.sub(lambda found: names.setdefault(found[0], f"<{len(names)}>"), text)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_canvas_writes_to_the_letter_what_celery_writes(app: Celery, call: Call) -> None:
    ours, celerys = our_writes(app, call), celery_writes(app, call)
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
    ours, celerys = our_writes(app, call), celery_writes(app, call)
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


def without_groups(writes: Writes) -> str:
    """What is queued, without saying which id is which."""
    queued = {key: values for key, values in writes.items() if not key.startswith("celery-")}
    return NAMED.sub("<id>", normalised(queued, ""))


@given(CANVASES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_canvas_writes_to_the_letter_what_celery_writes(app: Celery, call: Call) -> None:
    try:
        canvas = build_ours(call)
        ours = our_writes(app, call)
    except InvalidMessage:
        reject()
    assume(not differs_by_intent(canvas))
    celerys = celery_writes(app, call)
    if nests_groups(canvas):
        assert without_groups(ours) == without_groups(celerys)
    else:
        assert normalised(ours, app.thread_oid) == normalised(celerys, app.thread_oid)
