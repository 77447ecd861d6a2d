"""Exchanges in a canvas, and the queues that they lead to."""

from functools import reduce
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.bindings import Destination
from bridge.protocol.canvas import Canvas, chain, chord, group, signature, xmap
from bridge.protocol.canvas.check import MAX_NESTING, check_canvas
from bridge.protocol.canvas.routing import destinations, routed
from bridge.protocol.signature import Chain, Signature

PAINT, SKY = Destination(exchange="x", routing_key="red"), Destination(exchange="y")
QUEUES = {PAINT: "paint", SKY: "sky"}
RED: dict[str, Any] = {"exchange": "x", "routing_key": "red"}
a, b, c = map(signature, "abc")


@pytest.mark.parametrize(
    ("canvas", "pointer", "queued"),
    [
        (a.set(**RED), "", a.set(queue="paint")),
        (chain(a, b.set(**RED)), "/tasks/1", chain(a, b.set(queue="paint"))),
        (group(a, b.set(**RED), c), "/tasks/1", group(a, b.set(queue="paint"), c)),
        (group(a, b).set(**RED), "", group(a, b).set(queue="paint")),
        (chord([a, b.set(**RED)], c), "/header/1", chord([a, b.set(queue="paint")], c)),
        (chord([a, b], c.set(**RED)), "/body", chord([a, b], c.set(queue="paint"))),
        (a.link(b.set(**RED)), "/options/link/0", a.link(b.set(queue="paint"))),
        (
            a.link_error(b).link_error(c.set(**RED)),
            "/options/link_error/1",
            a.link_error(b).link_error(c.set(queue="paint")),
        ),
        (xmap(a.set(**RED), [1]), "/kwargs/task", xmap(a.set(queue="paint"), [1])),
        (
            Signature(task="celery.map", kwargs={"it": [1]}, options=RED),
            "",
            Signature(task="celery.map", kwargs={"it": [1]}, options={"queue": "paint"}),
        ),
    ],
)
def test_the_queue_stands_in_the_place_of_the_exchange(canvas: Canvas, pointer: str, queued: Canvas) -> None:
    assert list(destinations(canvas)) == [(pointer, PAINT)]
    assert routed(canvas, QUEUES) == queued


def test_each_part_has_the_queue_of_its_own_exchange() -> None:
    canvas = chain(a.set(**RED), b.set(exchange="y"), c.set(queue="own"))
    assert [destination for _, destination in destinations(canvas)] == [PAINT, SKY]
    assert [step.options["queue"] for step in routed(canvas, QUEUES).tasks] == ["paint", "sky", "own"]


def test_the_routing_key_of_a_queue_is_its_name() -> None:
    canvas = a.set(queue="mail", routing_key="mail")
    assert list(destinations(canvas)) == [("", None)]
    assert routed(canvas, {}) == a.set(queue="mail")


@pytest.mark.parametrize(
    ("options", "at", "reason"),
    [
        ({**RED, "queue": "q"}, "queue", "cannot be given together"),
        ({"routing_key": "red"}, "routing_key", "needs an exchange"),
        ({"routing_key": "red", "queue": "q"}, "routing_key", "does not lead to the queue 'q'"),
        ({"exchange": 5}, "exchange", "must be a str"),
        ({"exchange": "x", "routing_key": ["red"]}, "routing_key", "must be a str"),
        ({"exchange": "x", "routing_key": 0}, "routing_key", "must be a str"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_pointer(options: dict[str, Any], at: str, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason) as refused:
        list(destinations(chain(a, b.set(**options))))
    assert refused.value.pointer == f"/tasks/1/options/{at}"


def test_what_is_no_canvas_is_left_to_the_check() -> None:
    mistake: Any = 5
    canvas = Chain(tasks=(a.set(**RED), mistake))
    with pytest.raises(InvalidMessage, match="is a int, where a signature") as refused:
        check_canvas(routed(canvas, QUEUES))
    assert refused.value.pointer == "/tasks/1"


def test_what_is_nested_too_deep_is_left_to_the_check() -> None:
    deepest: Canvas = a.set(**RED)
    canvas: Canvas = reduce(lambda inner, _: Chain(tasks=(inner,)), range(10 * MAX_NESTING), deepest)
    assert list(destinations(canvas)) == []
    with pytest.raises(InvalidMessage, match="is nested more than"):
        check_canvas(routed(canvas, QUEUES))
