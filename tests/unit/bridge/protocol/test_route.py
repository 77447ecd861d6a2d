import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.route import Route


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_out_of_range_is_refused_by_its_pointer(priority: int) -> None:
    with pytest.raises(InvalidMessage, match="must be 0") as refused:
        Route(queue="mail", priority=priority)
    assert refused.value.pointer == "/options/priority"


def test_a_fanout_exchange_needs_no_routing_key_since_it_has_no_queue() -> None:
    assert Route(queue="", fanout="everybody").queue == ""


@pytest.mark.parametrize("queue", ["", "two words", "a\x06\x163", "x" * 256, "unacked"])
def test_a_queue_that_no_worker_can_use_is_refused_by_its_pointer(queue: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        Route(queue=queue)
    assert refused.value.pointer == "/options/queue"
