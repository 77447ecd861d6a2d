"""Signatures and what is made of them: values that do not change."""

from functools import reduce
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import chain, chord, group, signature
from bridge.protocol.signature import (
    Canvas,
    Chain,
    Chord,
    Group,
    Signature,
    copied_as_immutable,
    joined,
    unrolled,
    unrolled_as,
)

a, b, c, d = (signature(name) for name in "abcd")
one, two = group(a), group(a, b)


def shape(canvas: Canvas) -> str:
    """A canvas written short."""
    if isinstance(canvas, Signature):
        return canvas.task
    if isinstance(canvas, Chord):
        return f"chord({shape(canvas.header)} -> {shape(canvas.body)})"
    return f"{type(canvas).__name__.lower()}({', '.join(map(shape, canvas.tasks))})"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (a | b, "chain(a, b)"),
        (a | b | c, "chain(a, b, c)"),
        (a | (b | c), "chain(a, b, c)"),
        ((a | b) | (c | d), "chain(a, b, c, d)"),
        (a | one, "chain(a, a)"),
        (a | two, "chain(a, group(a, b))"),
        (one | b, "chord(group(a) -> b)"),
        (two | c, "chord(group(a, b) -> c)"),
        (two | two, "chord(group(a, b) -> group(a, b))"),
        (a | two | c, "chain(a, chord(group(a, b) -> c))"),
        (a | two | two, "chain(a, group(a, b), group(a, b))"),
        (a | chord([b], c) | d, "chain(a, chord(group(b) -> chain(c, d)))"),
        (a | chord([b], c) | two, "chain(a, chord(group(b) -> chain(c, group(a, b))))"),
        (a | chord([b], c) | chord([d], a), "chain(a, chord(group(b) -> c), chord(group(d) -> a))"),
        (a | chord([b], c) | two | d, "chain(a, chord(group(b) -> chain(c, chord(group(a, b) -> d))))"),
        (Chain(tasks=(a, chord([b], c), two)) | d, "chain(a, chord(group(b) -> chain(c, chord(group(a, b) -> d))))"),
        (Chain(tasks=(two,)) | c, "chain(chord(group(a, b) -> c))"),
        (chord([a], b) | c, "chord(group(a) -> chain(b, c))"),
        (chord([a], b) | one, "chord(group(a) -> chain(b, a))"),
        (chord([a], b) | two, "chain(chord(group(a) -> b), group(a, b))"),
        (chord([a], b) | (c | d), "chain(chord(group(a) -> b), c, d)"),
        (Chain() | two, "group(a, b)"),
        (Chain() | a, "chain(a)"),
        (joined(a, one), "chain(a, a)"),
    ],
)
def test_two_that_are_joined_are(made: Canvas, expected: str) -> None:
    assert shape(made) == expected


def test_what_is_set_is_set_on_a_copy() -> None:
    changed = a.set(queue="mail").set(priority=3, immutable=True)
    assert (changed.options, changed.immutable) == ({"queue": "mail", "priority": 3}, True)
    assert (a.options, a.immutable) == ({}, False)


@pytest.mark.parametrize("name", ["link", "link_error"])
def test_callbacks_are_not_set_as_options(name: str) -> None:
    options: dict[str, Any] = {name: b}
    with pytest.raises(InvalidMessage) as refused:
        a.set(**options)
    assert refused.value.pointer == f"/options/{name}"


def test_groups_and_chords_mark_their_tasks_as_immutable_and_chains_themselves() -> None:
    assert all(task.immutable for task in two.set(immutable=True).tasks if isinstance(task, Signature))
    marked = chord([a, b], c).set(immutable=True)
    assert [task.immutable for task in marked.header.tasks if isinstance(task, Signature)] == [True, True]
    assert marked.body == c
    assert chain(a, b).set(immutable=True) == Chain(tasks=(a, b), immutable=True)


def test_the_same_callback_is_linked_once() -> None:
    assert a.link(b).link(b).link(c).options["link"] == (b, c)
    assert a.link_error(b).link_error(b).options["link_error"] == (b,)


def test_a_group_links_its_first_task_and_tells_each_of_an_errback() -> None:
    first, second = two.link(c).link_error(d).tasks
    copied = Signature(task="d", options={"immutable": True})
    assert first.options["link"] == (c.set(immutable=True),)
    assert first.options["link_error"] == second.options["link_error"] == (copied,)
    with pytest.raises(InvalidMessage, match="no task to link to"):
        group().link(c)


def test_a_chord_links_its_body_and_tells_chords_in_its_header_of_an_errback() -> None:
    linked = chord([a, chord([b], c)], d).link(a).link_error(b)
    assert linked.body.options == {"link": (a,), "link_error": (b,)}
    plain, inner = linked.header.tasks
    assert plain == a
    assert isinstance(inner, Chord)
    assert inner.body.options == {"link_error": (b,)}


def test_a_chain_that_goes_on_gives_its_callbacks_to_its_last_task_and_its_errbacks_to_each() -> None:
    first, second, third = chain(a, b).link(c).link_error(d).__or__(a).tasks  # type: ignore[union-attr]  # a chain
    assert first.options == {"link_error": (d,)}
    assert second.options == {"link": (c,), "link_error": (d,)}
    assert third.options == {}


def test_stamps_stay_with_every_task_but_a_chords_body() -> None:
    stamped = chain(a.link(b), chord([d], a)).stamp(tenant="acme")
    assert isinstance(stamped, Chain)
    first, second = stamped.tasks
    assert first.options["stamped_headers"] == ("tenant",)
    assert first.options["link"][0].options["tenant"] == "acme"
    assert isinstance(second, Chord)
    assert second.header.tasks[0].options["tenant"] == "acme"
    assert "tenant" not in second.body.options
    assert group(a).stamp(tenant="acme").tasks[0].options["tenant"] == "acme"


def test_a_stamp_that_is_given_again_replaces_the_one_before_and_lists_are_put_together() -> None:
    stamped = a.stamp(one=[1], two=2).stamp(one=[3], two=4, three=5)
    assert stamped.options == {"stamped_headers": ("one", "two", "three"), "one": [3, 1], "two": 4, "three": 5}


def test_an_errback_is_copied_as_celery_copies_it() -> None:
    assert copied_as_immutable(a) == Signature(task="a", options={"immutable": True})
    assert copied_as_immutable(two) == Group(tasks=(a, b), immutable=True)


def test_a_group_of_one_is_that_one() -> None:
    assert unrolled(one) == a
    assert unrolled(two) == two
    assert unrolled_as(one, b) == Group(tasks=(b,))
    assert unrolled_as(two, b) == b


@pytest.mark.parametrize("first", [a, one, two, chain(a, two), chain(a, chord([b], c)), chain(a, b).link(d)])
def test_a_chain_of_many_is_what_its_steps_are_joined_to_one_by_one(first: Canvas) -> None:
    steps: list[Canvas] = [a, b, c.link(d), two, a, b, one, chain(a, b).link(c), chord([a], b), c, d, a]
    assert chain(first, *steps) == reduce(joined, steps, Chain() | first)
