import json

import pytest

from bridge.protocol.delivery import task_of_message, task_of_unacked

MESSAGE = {"headers": {"id": "a1", "task": "tasks.add"}, "properties": {}}


def test_a_message_says_whose_it_is() -> None:
    assert task_of_message(json.dumps(MESSAGE).encode()) == "a1"


def test_an_unacknowledged_message_says_whose_it_is() -> None:
    assert task_of_unacked(json.dumps([MESSAGE, "", "celery"]).encode()) == "a1"


@pytest.mark.parametrize("value", [b"", b"\xff", b"null", b"[]", b"{}", b'{"headers": {}}', b'{"headers": 3}', b"[3]"])
def test_what_is_no_message_is_nobodys(value: bytes) -> None:
    assert task_of_message(value) is None
    assert task_of_unacked(value) is None
