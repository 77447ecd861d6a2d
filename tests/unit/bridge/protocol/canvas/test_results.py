"""Where results will be, and whether anything is still to come."""

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.canvas.results import ResultNode, Workflow
from bridge.protocol.state import Status

OK, FAILED, CANCELLED = Status.SUCCEEDED, Status.FAILED, Status.CANCELLED


def task(name: str, parent: ResultNode | None = None) -> ResultNode:
    return ResultNode(id=name, parent=parent)


def group(*children: ResultNode, parent: ResultNode | None = None) -> ResultNode:
    return ResultNode(id="g", children=children, parent=parent)


CHAIN = task("c", task("b", task("a")))
CHORD = task("body", group(task("a"), task("b")))
ENDS_IN_A_GROUP = group(task("b"), task("c"), parent=task("a"))
CHAIN_IN_A_HEADER = task("body", group(task("b", task("a"))))
GROUP_AS_A_BODY = group(task("c"), parent=group(task("a")))
WITHIN_AN_OUTER = group(task("c", task("b")), parent=task("a"))


def test_what_ran_before_stands_before_the_first_ancestor() -> None:
    assert task("c", task("b")).after(task("a")) == CHAIN
    assert [node.id for node in CHAIN.ancestors()] == ["b", "a"]


@pytest.mark.parametrize("node", [CHAIN, CHORD, ENDS_IN_A_GROUP, group()])
def test_a_result_is_written_and_read_as_celery_does(node: ResultNode) -> None:
    assert ResultNode.of_tuple(node.as_tuple()) == node


@pytest.mark.parametrize(
    ("node", "ends"),
    [(CHAIN, ["c"]), (CHORD, ["body"]), (ENDS_IN_A_GROUP, ["b", "c"]), (group(group(CHORD), task("d")), ["body", "d"])],
)
def test_a_result_ends_with_the_tasks_that_its_members_end_with(node: ResultNode, ends: list[str]) -> None:
    assert list(node.ends()) == ends


def test_a_chord_is_written_with_its_header_before_it() -> None:
    assert CHORD.as_tuple() == [["body", [["g", None], [[["a", None], None], [["b", None], None]]]], None]


round_and_round: list[object] = [["a", None], None]
round_and_round[1] = [round_and_round, round_and_round]


@pytest.mark.parametrize(
    "written",
    [
        *(None, [], "abc", [[1, None], None], [["a", None], 5], [["a", "b"], None], [["a", None], "bc"]),
        *([["a", None], [None]], round_and_round),
    ],
)
def test_what_is_no_result_is_refused(written: object) -> None:
    with pytest.raises(UnreadableBytes):
        ResultNode.of_tuple(written)


def test_the_tasks_of_a_workflow_stand_after_what_they_depend_on() -> None:
    assert Workflow(CHAIN).task_ids == ("a", "b", "c")
    assert Workflow(CHORD).task_ids == ("a", "b", "body")
    assert Workflow(group()).task_ids == ()


@pytest.mark.parametrize(
    ("result", "known", "ended", "over"),
    [
        (CHAIN, "a", {}, False),
        (CHAIN, "a", {"a": OK}, False),
        (CHAIN, "ab", {"a": OK}, False),
        (CHAIN, "ab", {"a": OK, "b": FAILED}, True),
        (CHAIN, "a", {"a": CANCELLED}, True),
        (CHAIN, "abc", {"a": OK, "b": OK, "c": OK}, True),
        (CHAIN, "ac", {"a": OK, "c": OK}, True),
        (CHORD, "ab", {"a": OK, "b": OK}, False),
        (CHORD, "ab", {"a": OK, "b": FAILED}, False),
        (CHORD, "ab", {"a": FAILED, "b": CANCELLED}, True),
        (CHORD, ["a", "b", "body"], {"a": OK, "b": FAILED, "body": FAILED}, True),
        (ENDS_IN_A_GROUP, "a", {"a": OK}, False),
        (ENDS_IN_A_GROUP, "a", {"a": FAILED}, True),
        (ENDS_IN_A_GROUP, "abc", {"a": OK, "b": OK}, False),
        (ENDS_IN_A_GROUP, "abc", {"a": OK, "b": OK, "c": FAILED}, True),
        (CHAIN_IN_A_HEADER, "a", {"a": FAILED}, False),
        (CHAIN_IN_A_HEADER, "a", {"a": CANCELLED}, True),
        (GROUP_AS_A_BODY, "a", {"a": FAILED}, True),
        (GROUP_AS_A_BODY, "a", {"a": OK}, False),
        (WITHIN_AN_OUTER, "a", {"a": FAILED}, True),
        (WITHIN_AN_OUTER, "ab", {"a": OK, "b": FAILED}, True),
        (group(), "", {}, True),
    ],
)
def test_a_workflow_is_over_when_nothing_can_start_the_rest(
    result: ResultNode, known: str, ended: dict[str, Status], over: bool
) -> None:
    assert Workflow(result).is_over(set(known), ended) is over


LONG = 5_000


def long_chain() -> ResultNode:
    node = task("0")
    for number in range(1, LONG):
        node = task(str(number), node)
    return node


def test_a_long_chain_is_written_and_read() -> None:
    node = ResultNode.of_tuple(group(long_chain()).as_tuple())
    (child,) = node.children or ()
    assert [one.id for one in child.ancestors()] == [str(number) for number in reversed(range(LONG - 1))]


def test_of_a_chain_that_is_too_long_what_ran_first_is_left_out() -> None:
    node = ResultNode.of_tuple(group(long_chain(), parent=CHORD).as_tuple(deepest=3))
    assert node == group(task("4999", task("4998", task("4997"))), parent=task("body", group(task("a"), task("b"))))


def test_the_body_of_a_chord_whose_header_has_failed_is_waited_for_while_it_may_be_told() -> None:
    ended = {"a": OK, "b": FAILED}
    assert not Workflow(CHORD).is_over({"a", "b"}, ended)
    assert Workflow(CHORD).is_over({"a", "b"}, ended, told=False)
    assert not Workflow(CHORD).is_over({"a", "b"}, {"b": FAILED}, told=False)


def test_a_chain_may_be_longer_than_the_stack() -> None:
    node = long_chain()
    workflow = Workflow(node)
    assert workflow.task_ids == tuple(map(str, range(5_000)))
    assert workflow.is_over({"0"}, {"0": FAILED})


def test_the_later_steps_are_those_that_come_after_something() -> None:
    assert Workflow(ENDS_IN_A_GROUP).later_ids == {"b", "c"}
    assert Workflow(CHORD).later_ids == {"body"}
