"""Every option of Celery's `send_task`, alone and in pairs: the bytes are those that Celery sends for the same call."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.canvas_calls import Call as CanvasCall
from tests.contract.option_calls import ALONE, CANVASES, VALUES, sent
from tests.contract.our_messages import our_message, without_ignored


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
    return without_ignored(sent(app, options), options)


def check_same(app: Celery, options: Mapping[str, Any]) -> None:
    theirs = celerys(app, options)
    mine = our_message(options, json.loads(theirs))
    assert b64decode(json.loads(mine)["body"]) == b64decode(json.loads(theirs)["body"])
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
