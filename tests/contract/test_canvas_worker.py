"""A stock worker makes of our canvases what it makes of Celery's, and Celery's results read what we planned."""

import asyncio
import re
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult, GroupResult, result_from_tuple
from kombu.utils.uuid import uuid

from bridge.protocol.canvas import Canvas, Plan, Sending, chain, chord, group, plan, signature
from bridge.protocol.keys import BrokerKeys
from tests.contract.canvas_calls import CALLS, Call, build_celerys, producer
from tests.contract.our_canvases import build_ours, sealed
from tests.servers import celery_worker

DEADLINE = 40
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ELSEWHERE = {"queue", "eta", "countdown", "ignore_result"}
"""Options with which a task does not end here and now."""

NO_MATTER_WHO_SENDS = {"three groups"}
"""``group | group | group`` is a chord, whose body is a group, and then a group. So each task of the second group
starts the third, under the same ids, with its own result: it comes to what the first or the last of them says."""

WAITS_WITH_CELERYS = {
    "a chain that ends in a group in a header",
    "a chain that ends in a group beside others in a header",
    "a chord with a group as body beside others in a header",
}
"""Of what Celery 5.6 sends here, a worker counts the chord anew when it starts the inner group: it may wait for ever.
We give that group an id of its own, as Celery 5.7 does; tests/contract/versions has what comes of it."""


def ends_here(call: Call) -> bool:
    parts = (*call.tasks, *call.link, *call.link_error)
    return not ELSEWHERE & call.options.keys() and all(map(ends_here, parts))


@pytest.fixture(scope="module")
def app(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Celery]:
    """A producer, and a worker, for which the first task waits."""
    child = celery_worker(shared_url, tmp_path_factory.mktemp("worker") / "log")
    with asyncio.Runner() as runner, producer(shared_url) as made:
        made.conf.result_cache_max = -1  # some ids are used again
        runner.run(child.start())
        yield made
        runner.run(child.stop())


def send(app: Celery, canvas: Canvas) -> Plan:
    made = plan(canvas, Sending(new_id=uuid, now=datetime.now(UTC), queue="celery", reply_to=app.thread_oid))
    backend: Any = app.backend
    with backend.client.pipeline() as pipe:
        for key in made.keys:
            pipe.set(key.key, key.value, ex=60)
        for planned in made.messages:
            pipe.lpush(BrokerKeys().list_of(planned.route.queue, planned.route.priority), sealed(planned, uuid()))
        pipe.execute()
    return made


def celerys(made: Plan, app: Celery) -> Any:
    """What we planned, as a result of Celery's."""
    return result_from_tuple(tuple(made.result.as_tuple()), app)


def value_of(app: Celery, result: Any) -> Any:
    """What came of it, once that is stored."""
    backend: Any = app.backend
    with backend.client.pubsub() as stored:
        stored.psubscribe("celery-task-meta-*")
        late = time.monotonic() + DEADLINE
        while not result.ready():
            assert stored.get_message(timeout=late - time.monotonic()), f"{result} has not ended"
    return said(result)


def said(result: Any) -> Any:
    """What is stored; of an exception what it says. Ids are not told apart."""
    if isinstance(result, GroupResult):
        return [said(member) for member in result.results or ()]
    value = result.result
    return (type(value).__name__, UUID.sub("<id>", str(value))) if isinstance(value, Exception) else value


def forget_results(app: Celery) -> None:
    """So that an id can be used again."""
    backend: Any = app.backend
    client = backend.client
    for key in client.keys("celery-task*"):
        client.delete(key)


NOT_COMPARED = NO_MATTER_WHO_SENDS | WAITS_WITH_CELERYS
COMPARED = {name: call for name, call in CALLS.items() if ends_here(call) and name not in NOT_COMPARED}


@pytest.mark.parametrize("call", COMPARED.values(), ids=COMPARED)
def test_a_canvas_comes_to_what_celerys_comes_to(app: Celery, call: Call) -> None:
    forget_results(app)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Celery tells of a default that may change
        sent = build_celerys(call, app).apply_async()
    theirs = value_of(app, result_from_tuple(sent.as_tuple(), app))
    forget_results(app)
    made = send(app, build_ours(call))
    assert value_of(app, celerys(made, app)) == theirs


fails = signature("golden.fails", immutable=True)
echo = signature("golden.echo")
one = echo.set(immutable=True)
told = signature("golden.told", task_id="told")
linked = echo.set(task_id="told")


def told_by(app: Celery, canvas: Canvas) -> Any:
    """What the callback returned that has the id ``told``."""
    forget_results(app)
    send(app, canvas)
    return value_of(app, AsyncResult("told", app=app))


@pytest.mark.parametrize(
    "failing",
    [chord([echo, fails], echo), chain(echo, group(echo, fails), echo), chord([chain(fails, echo)], echo)],
    ids=["a chord", "a group in a chain", "a chain in a header"],
)
def test_a_chord_fails_with_its_header(app: Celery, failing: Canvas) -> None:
    made = send(app, failing)
    name, message = value_of(app, celerys(made, app))
    assert name == "ChordError"
    assert "ValueError" in message


def test_the_errback_of_a_chord_is_told_when_its_header_fails(app: Celery) -> None:
    assert told_by(app, chord([echo, fails], echo.set(task_id="body")).link_error(told)) == "body"


def test_the_errback_of_a_chain_is_told_which_step_failed(app: Celery) -> None:
    assert told_by(app, chain(echo, fails.set(task_id="second"), echo).link_error(told)) == "second"


def test_the_callback_of_a_chain_that_ends_in_a_chord_is_run_after_the_body(app: Celery) -> None:
    """With Celery's own call the worker that is to start the chord raises TypeError."""
    last = chord([signature("golden.echo", ("a",), immutable=True)], echo)
    assert told_by(app, chain(echo, last).link(linked)) == [[[[[[["a"], {}]]], {}]], {}]


def test_the_callback_of_groups_in_a_row_is_run_after_a_task_of_the_last_and_given_nothing(app: Celery) -> None:
    assert told_by(app, chain(group(one, one), group(one, one)).link(linked)) == [[], {}]


def test_groups_in_a_row_wait_for_each_other_where_they_are_joined_from_the_right(app: Celery) -> None:
    first, second, third = (group(one, one) for _ in range(3))
    made = send(app, first | (second.set(immutable=False) | third.set(immutable=False)))
    results = value_of(app, celerys(made, app))
    first_values: Any = [[[], {}]] * 2
    second_values = [[[first_values], {}]] * 2
    assert results == [[[second_values], {}]] * 2
