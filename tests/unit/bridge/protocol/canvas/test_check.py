"""What may stand in a canvas: the check names the first place that would harm a worker, or wait for ever."""

from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import Canvas, chain, chord, group, signature, xmap
from bridge.protocol.canvas.check import MAX_DELAY, MAX_NESTING, MAX_PARTS, check_canvas, chosen_ids, queues
from bridge.protocol.signature import Chain, Chord, Group, Signature

a, b = signature("a"), signature("b")
empty = group()
NOT_A_CANVAS: Any = "a"
AWARE = datetime(2026, 1, 31, tzinfo=UTC)
NAIVE = datetime(2026, 1, 31)


def refusal(canvas: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as refused:
        check_canvas(canvas)
    return refused.value


def said(canvas: Canvas, **options: Any) -> Canvas:
    """With options that types would refuse."""
    return canvas.set(**options)


@pytest.mark.parametrize(
    "canvas",
    [
        a.link(group(a, b)).link_error(chain(a, b)),
        chain(a, chord([a, chain(a, group(b))], chain(a, b))),
        group(a, empty),
        xmap(a, [1, 2]),
        chord([], a),
        chain(group(a), b),
        a.set(queue="mail", priority=9, countdown=5, expires=60, time_limit=5, soft_time_limit=0.5, shadow="s"),
        a.set(eta=AWARE, expires=AWARE, headers={"x": 1}, task_id="one", ignore_result=True),
        a.stamp(tenant="acme", days=[1, 2.5, True, None]),
        group(a, b).set(task_id="the whole", immutable=True),
        Signature(task="a", options={"immutable": True}),
    ],
)
def test_what_celery_runs_is_let_through(canvas: Canvas) -> None:
    check_canvas(canvas)


@pytest.mark.parametrize(
    ("canvas", "pointer", "reason"),
    [
        ("a", "", "is a str"),
        (Chain(tasks=(a, NOT_A_CANVAS)), "/tasks/1", "is a str"),
        (Chord(header=Group(tasks=(NOT_A_CANVAS,)), body=a), "/header/0", "is a str"),
        (Signature(task="a", options={"link": NOT_A_CANVAS}), "/options/link", "is a str"),
        (Signature(task="celery.map", kwargs={"it": []}), "/kwargs/task", "is a NoneType"),
        (xmap(xmap(a, []), []), "/kwargs/task", "must be the signature of one task"),
        (Signature(task="celery.map", kwargs={"task": group(a)}), "/kwargs/task", "must be the signature of one task"),
        (Chain(), "/tasks", "is empty"),
        (Chain(tasks=(group(a, b), group(empty, empty))), "/tasks", "an empty group after a group"),
        (chord([a], empty), "/body", "needs a body"),
        (chord([a], chain(empty)), "/body", "needs a body"),
        (chord([a, chain(a, empty)], b), "/header", "ends in an empty group"),
        (chord([chord([a], chain(a, group(b, empty)))], b), "/header", "ends in an empty group"),
        (said(a, retries=3), "/options/retries", "is not an option"),
        (
            Chord(header=Group(tasks=(a,), options={"retries": 3}), body=b),
            "/header/options/retries",
            "is not an option",
        ),
        (said(a, queue=5), "/options/queue", "must be a str"),
        (a.set(priority=True), "/options/priority", "must be a int"),
        (a.set(priority=10), "/options/priority", "9 (served last)"),
        (chain(a, b.set(serializer="pickle")), "/tasks/1/options/serializer", "is not known here"),
        (group(a, b).set(compression="zip"), "/options/compression", "'zip'"),
        (said(a, compression=5), "/options/compression", "must be a str"),
        (a.set(argsrepr="\ud800"), "/options/argsrepr", "half of a surrogate pair"),
        (a.set(queue=""), "/options/queue", ""),
        (a.set(countdown=-1), "/options/countdown", "seconds"),
        (a.set(countdown=MAX_DELAY + 1), "/options/countdown", "seconds"),
        (a.set(expires=float("nan")), "/options/expires", "seconds"),
        (group(a, b).set(countdown=float("nan")), "/options/countdown", "seconds"),
        (chain(a, chord([a], b).set(countdown=float("inf"))), "/tasks/1/options/countdown", "seconds"),
        (chain(a, b).set(expires=1e300), "/options/expires", "seconds"),
        (a.set(countdown=1, eta=AWARE), "/options/countdown", "together with eta"),
        (a.set(eta=NAIVE), "/options/eta", ""),
        (a.set(task_id=""), "/options/task_id", ""),
        (group(group(a, b).set(task_id="mine"), a), "/tasks/0/options/task_id", "for the whole"),
        (said(a.stamp(queue="x"), queue=5), "/options/queue", "must be a str"),
        (a.stamp(chord="x"), "/options/chord", "cannot be the name of a stamp"),
        (a.stamp(**{"a b": 1}), "/options/a b", "cannot be the name of a stamp"),
        (a.stamp(tenant={"a": 1}), "/options/tenant", "must be a text"),
        (a.stamp(tenant=None), "/options/tenant", "must not be null"),
        (a.stamp(tenant=["a", []]), "/options/tenant", "must be a text"),
        (
            signature("a", options={"stamped_headers": ["b"]}),
            "/options/stamped_headers",
            "names 'b'",
        ),
        (a.link(chain(a, group(a, a).set(eta=NAIVE))), "/options/link/0/tasks/1/options/eta", "has no UTC offset"),
        (a.link(group(a, a).set(expires=NAIVE)), "/options/link/0/options/expires", "has no UTC offset"),
        (signature("a", options={"stamped_headers": 5}), "/options/stamped_headers", "must be a list of names"),
        (signature("a", options={"stamped_headers": [["b"]]}), "/options/stamped_headers", "must be a list of names"),
        (signature("a", [object()]), "/args/0", ""),
        (chain(a, signature("b", kwargs={"x": object()})), "/tasks/1/kwargs/x", ""),
        (xmap(a, [object()]), "/kwargs/it/0", ""),
    ],
)
def test_what_would_harm_is_refused_by_its_place(canvas: Any, pointer: str, reason: str) -> None:
    refused = refusal(canvas)
    assert refused.pointer == pointer
    assert reason in refused.reason


def test_a_canvas_has_bounds() -> None:
    many = group(empty for _ in range(MAX_PARTS))
    assert f"more than {MAX_PARTS}" in refusal(many).reason
    deep = reduce(lambda inner, _: a.link(inner), range(MAX_NESTING), a)
    check_canvas(deep)
    assert f"more than {MAX_NESTING} deep" in refusal(a.link(deep)).reason


def test_the_queues_of_a_canvas_are_those_of_all_its_parts() -> None:
    canvas = chain(a.set(queue="one"), chord([b.set(queue="two")], xmap(a.set(queue="three"), [1]).link(b)))
    assert sorted(queues(canvas.set(queue="whole").link_error(a.set(queue="last")))) == [
        *("last", "one", "three", "two", "whole")
    ]
    assert list(queues(Group(tasks=(a, NOT_A_CANVAS)))) == []


def test_the_ids_that_were_chosen_are_those_of_all_parts() -> None:
    canvas = chain(a, group(b.set(task_id="one"), chord([a], b.set(task_id="two")))).set(task_id="three")
    assert sorted(chosen_ids(canvas.link(a.set(task_id="four")))) == ["four", "one", "three", "two"]
    assert list(chosen_ids(Group(tasks=(a, NOT_A_CANVAS)))) == []
