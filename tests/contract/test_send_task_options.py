"""Every option of Celery's `send_task`, alone and in pairs: the bytes are those that Celery sends for the same call."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.protocol.encoding import encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.keys import BrokerKeys
from bridge.protocol.route import Route
from bridge.submit.call import Call
from bridge.submit.options import Options
from tests.contract.canvas_calls import Call as CanvasCall
from tests.contract.canvas_calls import a, b, build_celerys, build_ours, c, chain, chord, group, task

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
OLDER = ('"ignore_result": false', '"ignore_result": null')
"""Celery before 5.7 says false for a task of which it knows the name alone, over the head of the task itself."""


@pytest.fixture(scope="module")
def app(shared_url: str) -> Iterator[Celery]:
    """Celery as a producer that knows tasks by their names only."""
    with Celery("producer", broker=shared_url, backend=shared_url, set_as_current=False) as made:
        backend: Any = made.backend  # celery-types knows what all backends have
        backend.client.flushall()
        yield made
        backend.result_consumer.stop()  # Celery closes nothing by itself
        backend.client.connection_pool.disconnect()


def celerys(app: Celery, options: Mapping[str, Any]) -> str:
    """What Celery's producer puts into the queue."""
    given = {name: _built(app, value) if name in CANVASES else value for name, value in options.items()}
    stamps = given.pop("stamps", None)
    if stamps is not None:
        given |= {"stamped_headers": list(stamps), **stamps}
    app.send_task("tasks.add", ARGS, KWARGS, task_id="a1", **given)
    backend: Any = app.backend
    taken = [backend.client.rpop(key) for key in BrokerKeys().lists(options.get("queue", "celery"))]
    (text,) = [one.decode() for one in taken if one]
    return str(text) if "ignore_result" in options else str(text.replace(*OLDER))


def _built(app: Celery, value: Any) -> Any:
    return build_celerys(value, app) if isinstance(value, CanvasCall) else [build_celerys(one, app) for one in value]


def ours(options: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """What we put there, with what is random and the time as Celery had them."""
    given = {name: _ours(value) if name in CANVASES else value for name, value in options.items()}
    made = Options.of(given)
    headers, properties = sent["headers"], sent["properties"]
    call = Call("tasks.add", ARGS, KWARGS)
    message = made.message(call, task_id="a1", origin=headers["origin"], now=lambda: _now(options, headers))
    template, values = seal_task(
        encode(message),
        Route(queue=made.queue or "celery", priority=made.priority),
        reply_to=made.reply_to or properties["reply_to"],
        expires_ms=int(properties["expiration"]) if "expiration" in properties else None,
    )
    return template.filled("a1", properties["delivery_tag"], values)


def _ours(value: Any) -> Any:
    return build_ours(value) if isinstance(value, CanvasCall) else [build_ours(one) for one in value]


def _now(options: Mapping[str, Any], headers: Mapping[str, Any]) -> datetime:
    """When Celery counted from."""
    for name, header in (("countdown", "eta"), ("expires", "expires")):
        if isinstance(options.get(name), int | float):
            return datetime.fromisoformat(headers[header]) - timedelta(seconds=options[name])
    return LATER


def check_same(app: Celery, options: Mapping[str, Any]) -> None:
    theirs = celerys(app, options)
    sent = json.loads(theirs)
    mine = ours(options, sent)
    assert b64decode(json.loads(mine)["body"]) == b64decode(sent["body"])
    assert mine == theirs


@pytest.mark.parametrize(("name", "value"), ALONE, ids=[f"{name}={value!r:.30}" for name, value in ALONE])
def test_an_option_makes_of_a_message_what_it_does_with_celery(app: Celery, name: str, value: Any) -> None:
    check_same(app, {name: value})


def in_order(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: chosen[name] for name in VALUES if name in chosen}


def is_taken_by_both(options: Mapping[str, Any]) -> bool:
    both_times = {"countdown", "eta"} <= options.keys()
    # PyYAML writes no subclass of dict, which Celery's signatures are; ours are plain ones.
    canvases = [options[name] for name in CANVASES & options.keys()]
    celery_cannot = (options.get("serializer") == "yaml" and canvases) or (
        # A group is written without most of its parts, which no worker can run.
        options.get("serializer") == "msgpack" and any(_has_group(one) for one in canvases)
    )
    return not both_times and not celery_cannot


def _has_group(value: CanvasCall | tuple[CanvasCall, ...]) -> bool:
    given = (value,) if isinstance(value, CanvasCall) else value
    return any(one.kind in ("group", "chord") or _has_group(one.tasks) for one in given)


several = (
    st.sets(st.sampled_from(sorted(VALUES)), min_size=2, max_size=4)
    .flatmap(lambda names: st.fixed_dictionaries({name: st.sampled_from(VALUES[name]) for name in sorted(names)}))
    .map(in_order)
    .filter(is_taken_by_both)
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=several)
def test_options_together_make_of_a_message_what_they_do_with_celery(app: Celery, options: dict[str, Any]) -> None:
    check_same(app, options)
