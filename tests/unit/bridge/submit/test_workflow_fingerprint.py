"""Which workflows are the same to an idempotency key."""

import pytest

from bridge import Canvas, chain, chord, group, signature
from bridge.submit.idempotency import fingerprint_of_workflow

TRACE = {"traceparent": "00-1", "tracestate": "a", "baggage": "b"}
add = signature("tasks.add", (1, {"a": 1, "b": 2}), {"x": 1, "y": 2}, queue="mail")
say = signature("tasks.say", headers={"tenant": "acme"})
WORKFLOW = chain(add, group(add, say), say.link(add))


def test_the_same_again_is_the_same_whatever_its_trace() -> None:
    traced = say.set(headers={"tenant": "acme", **TRACE})
    again = signature("tasks.add", [1, {"b": 2, "a": 1}], {"y": 2, "x": 1}, queue="mail", headers=TRACE)
    same = chain(again, group(again, traced), traced.link(again))
    assert fingerprint_of_workflow(same) == fingerprint_of_workflow(WORKFLOW)


@pytest.mark.parametrize(
    "other",
    [
        chain(add, group(say, add), say.link(add)),
        chain(add, group(add, say), say),
        chain(add, add, say, say.link(add)),
        chain(add, group(add, say), say.link_error(add)),
        chain(add, group(add, say), say.link(add).set(immutable=True)),
        chain(add, group(add, say), signature("tasks.say", headers={"tenant": "umbrella"}).link(add)),
        chain(add, group(add, signature("tasks.say", tags=["x"], headers={"tenant": "acme"})), say.link(add)),
        chain(add, chord([add, say], say.link(add)), say),
        chain(add.stamp(of=1), group(add, say), say.link(add)),
    ],
)
def test_what_asks_for_anything_else_is_another(other: Canvas) -> None:
    assert fingerprint_of_workflow(other) != fingerprint_of_workflow(WORKFLOW)
