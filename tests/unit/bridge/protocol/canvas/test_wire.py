"""A canvas within a message."""

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.canvas import chain, chord, group, signature, xmap
from bridge.protocol.canvas.wire import Wire
from bridge.protocol.signature import Group

a, b = signature("a"), signature("b")


def test_a_signature_is_written_in_celerys_order() -> None:
    written = Wire().write(signature("a", [1], {"k": 2}, immutable=True, queue="mail").link(b))
    assert list(written) == ["task", "args", "kwargs", "options", "subtask_type", "immutable"]
    assert written["options"] == {"queue": "mail", "link": [Wire().write(b)]}
    assert (written["args"], written["kwargs"], written["immutable"]) == ((1,), {"k": 2}, True)


def test_canvases_are_written_by_their_kind() -> None:
    wire = Wire()
    assert wire.write(chain(a, b))["kwargs"] == {"tasks": [wire.write(a), wire.write(b)]}
    assert wire.write(group(a))["subtask_type"] == "group"
    assert wire.write(xmap(a, [1]))["kwargs"] == {"task": wire.write(a), "it": [1]}


def test_a_header_is_a_list_until_it_is_frozen() -> None:
    wire = Wire()
    header = Group(tasks=(a,), options={"task_id": "i1"})
    assert wire.write(chord([a], b))["kwargs"]["header"] == [wire.write(a)]
    assert (
        Wire().write(chord(header, b).__class__(header=header, body=b))["kwargs"]["header"]["subtask_type"] == "group"
    )


def test_what_is_written_again_is_shared_and_counted() -> None:
    wire = Wire(limit=6)
    body = chain(a, b)
    assert wire.write(body) is wire.write(body)
    with pytest.raises(InvalidMessage, match="more than 6"):
        wire.write(body)
