"""Workflows built by Celery's names."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import chain, chord, chunks, group, signature, xmap, xstarmap
from bridge.protocol.signature import Chain, Chord, Group, Signature

a, b = signature("a"), signature("b")


def test_a_signature_has_what_it_is_given() -> None:
    made = signature("a", [1], {"b": 2}, immutable=True, queue="mail")
    assert made == Signature(task="a", args=(1,), kwargs={"b": 2}, immutable=True, options={"queue": "mail"})


def test_options_of_a_signature_are_given_as_celery_has_them_too() -> None:
    made = signature("a", options={"queue": "mail", "priority": 3}, queue="own")
    assert made == signature("a", queue="own", priority=3)
    assert signature("a", (), {}, {"queue": "mail"}).options == {"queue": "mail"}


def test_an_option_that_is_none_is_not_given() -> None:
    nothing = dict.fromkeys(["queue", "countdown", "priority", "expires", "headers", "stamped_headers"])
    assert signature("a", options=nothing) == signature("a", queue=None, countdown=None) == a
    assert group(a, b).set(queue=None) == group(a, b)
    assert signature("a", queue="mail", priority=3).set(queue=None) == signature("a", priority=3)


def test_headers_of_a_part_are_any_mapping_as_in_a_submit() -> None:
    options = signature("a", headers=MappingProxyType({"x": 1})).options
    assert type(options["headers"]) is dict
    assert options == {"headers": {"x": 1}}


NOTHING: Any = None
TEXT: Any = "b"
NUMBER: Any = 5


@pytest.mark.parametrize(
    ("make", "pointer"),
    [
        (lambda: a | TEXT, ""),
        (lambda: chain(a, b) | TEXT, ""),
        (lambda: group(a, b) | TEXT, ""),
        (lambda: chord([a], b) | TEXT, ""),
        (lambda: chain(NOTHING), "/tasks/0"),
        (lambda: chain(a, TEXT), "/tasks/1"),
        (lambda: group([a, TEXT]), "/tasks/1"),
        (lambda: group(TEXT), "/tasks/0"),
        (lambda: chord(NOTHING, b), "/tasks/0"),
        (lambda: chord([a, NUMBER], b), "/tasks/1"),
    ],
)
def test_what_is_no_part_is_refused_when_it_is_given(make: Callable[[], object], pointer: str) -> None:
    with pytest.raises(InvalidMessage, match=r"is a \w+, where a signature, chain, group or chord must be") as refused:
        make()
    assert refused.value.pointer == pointer


def test_tasks_are_given_one_by_one_or_as_one_iterable() -> None:
    assert chain(a, b) == chain([a, b]) == Chain(tasks=(a, b))
    assert group(a, b) == group(task for task in (a, b)) == Group(tasks=(a, b))


def test_a_group_of_a_group_is_that_group_without_its_options() -> None:
    assert group(group(a, b).set(queue="mail")) == Group(tasks=(a, b))


def test_a_header_is_a_list_a_group_or_the_tasks_of_a_chain() -> None:
    expected = Chord(header=Group(tasks=(a, b)), body=a)
    assert chord([a, b], a) == chord(group(a, b), a) == chord(chain(a, b), a) == expected
    assert chord(a, b) == Chord(header=Group(tasks=(a,)), body=b)


def test_maps_are_tasks_that_call_another() -> None:
    assert xmap(a, [1, 2]) == Signature(task="celery.map", kwargs={"task": a, "it": [1, 2]}, immutable=True)
    assert xstarmap(a, [(1, 2)]).task == "celery.starmap"


def test_chunks_are_a_group_of_maps() -> None:
    assert chunks(a, ((n,) for n in range(3)), 2) == group(xstarmap(a, [(0,), (1,)]), xstarmap(a, [(2,)]))
    with pytest.raises(InvalidMessage, match="1 or more"):
        chunks(a, [], 0)
