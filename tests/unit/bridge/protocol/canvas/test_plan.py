"""What starts a workflow: its messages, with all that follows in them, and the keys that its chords count with."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import Canvas, chain, chord, group, xmap
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.signature import Chain
from tests.unit.bridge.protocol.canvas.sketch import NOW, a, b, c, d, e, lines, planned

SHAPES: dict[str, tuple[Canvas, list[str]]] = {
    "a task": (a, ["a()"]),
    "a chain": (chain(a, b, c), ["a() +chain[c, b]"]),
    "a chain of one": (Chain(tasks=(a,)), ["a()"]),
    "a group": (group(a, b), ["a() #0 of i1", "b() #1 of i1"]),
    "a group of one": (group(a), ["a() #0 of i1"]),
    "a group of a group": (group(group(a, b)), ["a() #0 of i1", "b() #1 of i1"]),
    "a group in a group": (group(a, group(b, c)), ["a() #0 of i1", "b() #0 of i1", "c() #1 of i1"]),
    "an empty group": (group(), []),
    "a chord": (chord([a, b], c), ["a() +chord[c] #0 of i2", "b() +chord[c] #1 of i2", "i2.s=2"]),
    "an empty header": (chord([], a), ["a([]) #None of i2"]),
    "a chain that begins with a group": (
        chain(group(a, b), c, d),
        ["a() +chord[chain(c, d)] #0 of i2", "b() +chord[chain(c, d)] #1 of i2", "i2.s=2"],
    ),
    "a chain that ends in a group": (chain(a, group(b, c)), ["a() +chain[group(b, c)]"]),
    "groups in a row": (
        chain(a, group(b, c), group(d, e)),
        ["a() +chain[chord(b +chord[group(d, e)], c +chord[group(d, e)] -> group(d, e))]"],
    ),
    "a chain in a header": (
        chord([chain(a, b), c], d),
        ["a() +chain[b +chord[d]]", "c() +chord[d] #1 of i2", "i2.s=2"],
    ),
    "a group in a header": (
        chord([group(a, b), c], d),
        ["b() +chord[d] #0 of i2", "a() +chord[d] #1 of i2", "c() +chord[d] #2 of i2", "i2.s=3"],
    ),
    "a chord in a header": (
        chord([chord([a], b), c], d),
        ["a() +chord[b +chord[d]] #0 of i4", "c() +chord[d] #1 of i2", "i4.s=1", "i2.s=2"],
    ),
    "a chain that ends in a group in a header": (
        chord([chain(a, group(b, c))], d),
        ["a() +chain[group(b +chord[d], c +chord[d]) +chord[d]]", "i2.s=2"],
    ),
    "a chord in a chain": (chain(a, chord([b], c), d), ["a() +chain[chord(b +chord[chain(c, d)] -> chain(c, d))]"]),
    "a chain in a group of one in a chain": (
        a | group(chain(b, group(c, d), e)),
        ["a() +chain[chord(c +chord[e], d +chord[e] -> e), b]"],
    ),
    "a link on a task": (a.link(b).link_error(c), ["a() +link[b] +link_error[c]"]),
    "a link on a chain": (chain(a, b).link(c).link_error(d), ["a() +chain[b +link[c] +link_error[d]] +link_error[d]"]),
    "a link on a chain that ends in a chord": (
        chain(a, chord([b], c)).link(d),
        ["a() +chain[chord(b +chord[c +link[d]] -> c +link[d])]"],
    ),
    "a link on a chain in it that ends in a chord": (
        (a | group(chain(b, chord([c], d)))).link(e),
        ["a() +chain[chord(c +chord[d +link[e]] -> d +link[e]), b]"],
    ),
    "a link on a chord in groups of one": (
        (a | group([group(chord([b], c))])).link(d),
        ["a() +chain[chord(b +chord[c +link[d]] -> c +link[d])]"],
    ),
    "a link on groups in a row": (
        chain(a, group(b, c), group(d, e)).link(a),
        ["a() +chain[chord(b +chord[group(d, e) +link[a]], c +chord[group(d, e) +link[a]] -> group(d, e) +link[a])]"],
    ),
    "errbacks of a chord in a chain": (
        chain(a, chord([b], c)).link_error(group(d)),
        ["a() +chain[chord(b +chord[c +link_error[group(d)]] -> c +link_error[group(d)])] +link_error[group(d)]"],
    ),
    "a chain in a group": (group(chain(a, b), c), ["a() +chain[b]", "c() #1 of i1"]),
    "a map": (xmap(a, [1, 2]), ["celery.map()"]),
    "a map in a chain": (chain(a, xmap(b, [1])), ["a() +chain[celery.map!]"]),
    "links that are chains": (a.link(chain(b, c)).link(chord([b], c)), ["a() +link[chain(b, c), chord(b -> c)]"]),
}


@pytest.mark.parametrize(("canvas", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_canvas_starts_with(canvas: Canvas, expected: list[str]) -> None:
    assert lines(canvas) == expected


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"countdown": 5}, "eta", NOW + timedelta(seconds=5)),
        ({"countdown": 0}, "eta", None),
        ({"eta": NOW}, "eta", NOW),
        ({"expires": 60}, "expires", NOW + timedelta(seconds=60)),
        ({"expires": NOW}, "expires", NOW),
        ({"headers": {"x": 1}}, "headers", {"x": 1}),
        ({"time_limit": 5}, "time_limit", 5),
        ({"ignore_result": True}, "ignore_result", True),
    ],
)
def test_an_option_is_a_field_of_the_message(options: dict[str, Any], field: str, value: object) -> None:
    (task,) = planned(a.set(**options)).messages
    assert getattr(task.message, field) == value
    assert (task.message.origin, task.reply_to) == ("here", "me")


def test_a_task_goes_to_the_queue_that_it_says_or_to_the_usual_one() -> None:
    first, second = planned(group(a, b.set(queue="mail", priority=6))).messages
    assert (first.route.queue, first.route.priority) == ("celery", 0)
    assert (second.route.queue, second.route.priority) == ("mail", 6)


def test_what_a_canvas_imposes_on_its_tasks_spares_their_group_and_stamps() -> None:
    stamped = a.stamp(tenant="acme", day=1)
    (task,) = planned(group(stamped).set(queue="mail")).messages
    assert task.route.queue == "mail"
    assert task.message.stamps == {"tenant": "acme", "day": 1}
    assert task.message.group_id == "i1"


def test_a_countdown_on_a_chord_is_its_bodys() -> None:
    header, *_ = planned(group(chord([a], b)).set(countdown=5)).messages
    assert header.message.eta is None


def test_arguments_that_come_before_reach_all_but_immutable_tasks() -> None:
    empty = chord([], group(a, b.set(immutable=True), chain(c, d)))
    assert [task.message.args for task in planned(empty).messages] == [([],), (), ([],)]


def test_ids_that_are_given_are_kept() -> None:
    made = planned(chain(a.set(task_id="one"), b.set(task_id="two")))
    assert made.result.as_tuple() == [["two", [["one", None], None]], None]
    assert planned(group(a).set(task_id="mine")).result.id == "mine"
    assert planned(chord([a], b).set(task_id="mine")).result.id == "mine"


def test_a_chord_whose_members_end_in_groups_is_told_how_results_are_put_together() -> None:
    counter, tree = planned(chord([chain(a, group(b, c))], d)).keys
    assert (counter.key, counter.value) == ("celery-taskset-meta-i2.s", "2")
    assert tree.key == "celery-taskset-meta-i2"
    ((_, children),) = (json.loads(tree.value)["result"],)
    ((((inner, _parent), leaves),),) = (children,)
    assert [leaf for (leaf, _), _ in leaves] == ["i4", "i5"]
    assert inner == "i3"  # its own: a worker that starts it counts its tasks under its id


@pytest.mark.parametrize("end", [group(b, c), chord([b], group(c, d))], ids=["a group", "a chord with such a body"])
def test_a_group_that_a_worker_starts_at_the_end_of_a_header_has_an_id_of_its_own(end: Canvas) -> None:
    made = planned(chord([a, chain(a, end)], e))
    (last, *_) = made.messages[1].message.chain or ()
    inner = last if last["subtask_type"] == "group" else last["kwargs"]["body"]
    assert inner["options"]["group_id"] == made.messages[0].message.group_id
    assert inner["options"]["task_id"] != inner["options"]["group_id"]


def test_a_group_of_one_group_is_that_group() -> None:
    assert [child.task for child in planned(group(group(a, b))).result.children or ()] == ["a", "b"]


def test_what_a_group_says_of_results_is_known_of_its_tasks() -> None:
    tasks = group(a, b.set(ignore_result=True), c.set(ignore_result=False))
    assert [child.ignores_result for child in planned(tasks).result.children or ()] == [False, True, False]
    told = planned(tasks.set(ignore_result=True))
    assert [child.ignores_result for child in told.result.children or ()] == [True, True, True]
    assert [task.message.ignore_result for task in told.messages] == [True, True, True]
    assert not ResultNode.of_tuple(told.result.as_tuple()).ignores_result


def test_a_canvas_that_would_harm_is_not_planned() -> None:
    with pytest.raises(InvalidMessage, match="no task"):
        planned(chord([a], group()))


def test_a_long_chain_before_a_group_in_a_header_is_planned() -> None:
    made = planned(chord([chain(*[a] * 3_000, group(b, c)), d], e))
    size, members = made.keys
    assert size.value == "3"
    _, ((_, ends), last) = json.loads(members.value)["result"]
    assert (len(ends), last[1]) == (2, None)
