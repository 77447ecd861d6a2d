import pytest

from bridge.protocol.keys import (
    Keys,
    event_channel,
    is_taken,
    pidbox_channel,
    queue_keys,
    result_key,
    step_of,
)


@pytest.mark.parametrize(
    ("priority", "step"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (8, 2), (9, 3)]
)
def test_ten_priorities_share_four_lists(priority: int, step: int) -> None:
    assert step_of(priority) == step


def test_the_list_served_first_is_named_first() -> None:
    assert queue_keys("q") == ("q", "q\x06\x163", "q\x06\x166", "q\x06\x169")


def test_the_channel_of_a_result_is_its_key() -> None:
    assert result_key("a1") == "celery-task-meta-a1"


def test_channels_carry_the_number_of_the_database() -> None:
    assert event_channel(3, "task-sent") == "/3.celeryev/task.sent"
    assert event_channel(0, "*") == "/0.celeryev/*"
    assert pidbox_channel(3) == "/3.celery.pidbox"


def test_all_keys_of_petiole_carry_its_prefix() -> None:
    keys = Keys("p:")
    own = {keys.record("a1"), keys.history("a1"), keys.live, keys.open, keys.scheduled, keys.queues}
    own |= {keys.workers, keys.watchers}

    assert len(own) == 8
    assert all(key.startswith("p:") for key in own)


@pytest.mark.parametrize(
    "queue", ["unacked", "unacked_index", "_kombu.binding.celery", "celery-task-meta-a1", "celery-taskset-meta-a1"]
)
def test_keys_that_celery_keeps_for_itself_are_no_queues(queue: str) -> None:
    assert is_taken(queue)


@pytest.mark.parametrize("queue", ["celery", "unacked.mail", "celery-task", "kombu"])
def test_other_names_are_free(queue: str) -> None:
    assert not is_taken(queue)
