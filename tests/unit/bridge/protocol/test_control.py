import json

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.control import seal_revoke
from bridge.protocol.envelope import open_json


def test_a_revoke_is_told_to_every_worker_and_never_expires() -> None:
    data = seal_revoke("a1", terminate=True, signal="SIGKILL", delivery_tag="tag", clock=4)

    assert open_json(data) == {
        "method": "revoke",
        "arguments": {"task_id": "a1", "terminate": True, "signal": "SIGKILL"},
        "destination": None,
        "pattern": None,
        "matcher": None,
    }
    envelope = json.loads(data)
    assert envelope["headers"] == {"clock": 4, "expires": 0}
    assert envelope["properties"]["delivery_info"] == {"exchange": "celery.pidbox", "routing_key": ""}


@pytest.mark.parametrize("signal", ["", "9", "TERM", "SIG", "sigterm", "SIGTERM\n", "SIG" + "X" * 13])
def test_what_is_no_name_of_a_signal_is_refused(signal: str) -> None:
    with pytest.raises(InvalidMessage, match="SIGTERM") as refused:
        seal_revoke("a1", terminate=True, signal=signal, delivery_tag="tag")
    assert refused.value.pointer == "/signal"
