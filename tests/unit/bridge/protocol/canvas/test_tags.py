"""Tags are of the record that is made of a task, so they are handed on beside its message."""

import pytest

from bridge.protocol.canvas import Canvas, chain, chord, group, signature
from bridge.protocol.canvas.results import Workflow
from bridge.protocol.encoding import encode
from tests.unit.bridge.protocol.canvas.sketch import a, b, planned

TAGGED = signature("t", tags=["user:42"])


@pytest.mark.parametrize("canvas", [chain(TAGGED, a, TAGGED), chord([TAGGED, a], TAGGED), group(a, chain(b, TAGGED))])
def test_tags_are_told_of_each_task_and_stand_in_no_message(canvas: Canvas) -> None:
    plan = planned(canvas)
    assert {task.tags for task in plan.messages if task.message.task == "t"} <= {("user:42",)}
    assert not any("user:42" in str(encode(task.message)) for task in plan.messages)
    nodes = [node for node, _ in Workflow(plan.result).with_predecessors()]
    assert {node.task: node.signature.tags for node in nodes if node.signature} == {
        **{node.task: () for node in nodes},
        "t": ("user:42",),
    }
