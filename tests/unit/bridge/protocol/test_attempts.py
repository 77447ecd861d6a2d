from typing import Any

import pytest

from bridge.protocol.attempts import HOLD_MS, EventSequence, Recent, ResultCounter, ends_an_attempt
from bridge.protocol.events import read_events
from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.state import Status
from bridge.redis import Published
from tests.celery_says import event, failed, received, retried, started, succeeded
from tests.recorded import RESULTS, recorded

Event = dict[str, Any]


def numbered(sequence: EventSequence, *events: Event, now_ms: int = 0) -> list[tuple[str, int]]:
    fed = [pair for one in events for pair in sequence.feed(one, now_ms)]
    return [(read["type"], attempt) for read, attempt in fed]


def news(status: Status | None, attempt: int = UNKNOWN_ATTEMPT) -> News:
    return News(task_id="a1", status=status, at_ms=0, attempt=attempt)


def test_the_tasks_least_heard_of_are_forgotten_first() -> None:
    recent: Recent[int] = Recent(limit=2)
    recent["a"], recent["b"] = 1, 2
    recent["a"], recent["c"] = 3, 4
    assert dict(recent) == {"a": 3, "c": 4}


def test_events_are_numbered_by_the_attempt_that_was_received() -> None:
    assert numbered(EventSequence(), received("a1"), started("a1"), succeeded("a1")) == [
        ("task-received", 1),
        ("task-started", 1),
        ("task-succeeded", 1),
    ]


def test_after_a_retry_the_next_attempt_is_counted() -> None:
    events = (received("a1"), started("a1"), retried("a1"), received("a1", 1), started("a1"), failed("a1"))
    assert [attempt for _, attempt in numbered(EventSequence(), *events)] == [1, 1, 1, 2, 2, 2]


def test_the_next_attempt_that_was_received_before_this_one_was_retried_waits_for_that() -> None:
    events = (received("a1"), started("a1"), received("a1", 1), retried("a1"), started("a1"))
    assert numbered(EventSequence(), *events) == [
        ("task-received", 1),
        ("task-started", 1),
        ("task-retried", 1),
        ("task-received", 2),
        ("task-started", 2),
    ]


def test_tasks_do_not_wait_for_each_other() -> None:
    sequence = EventSequence()
    assert numbered(sequence, received("a1"), received("a1", 1), received("b2"), retried("b2")) == [
        ("task-received", 1),
        ("task-received", 1),
        ("task-retried", 1),
    ]


def test_a_task_first_heard_of_in_the_middle_of_its_life_is_in_an_unknown_attempt() -> None:
    events = (started("a1"), retried("a1"), started("a1"))
    assert [attempt for _, attempt in numbered(EventSequence(), *events)] == [UNKNOWN_ATTEMPT] * 3


def test_a_received_event_of_a_later_attempt_says_which_it_is() -> None:
    assert [attempt for _, attempt in numbered(EventSequence(), received("a1", 3), started("a1"))] == [4, 4]


@pytest.mark.parametrize("retries", [None, "2"])
def test_a_received_event_without_a_number_of_retries_is_of_the_first_attempt(retries: object) -> None:
    odd = event("task-received", "a1", retries=retries)
    assert numbered(EventSequence(), odd) == [("task-received", 1)]


def test_a_task_delivered_again_after_its_worker_died_is_read_at_once() -> None:
    events = (received("a1"), started("a1"), received("a1"), started("a1"))
    assert [attempt for _, attempt in numbered(EventSequence(), *events)] == [1, 1, 1, 1]


@pytest.mark.parametrize("end", ["task-succeeded", "task-failed", "task-revoked", "task-rejected"])
def test_what_comes_after_an_end_is_not_numbered(end: str) -> None:
    assert numbered(EventSequence(), received("a1"), event(end, "a1"), started("a1")) == [
        ("task-received", 1),
        (end, 1),
        ("task-started", UNKNOWN_ATTEMPT),
    ]


def test_the_next_attempt_that_starts_before_this_one_was_retried_waits_for_that() -> None:
    events = [event for message in recorded("retries_at_once") if not is_result(message) for event in read(message)]
    assert numbered(EventSequence(), *events) == [
        *(("task-received", 1), ("task-started", 1), ("task-retried", 1)),
        *(("task-received", 2), ("task-started", 2), ("task-retried", 2)),
        *(("task-received", 3), ("task-started", 3), ("task-succeeded", 3)),
    ]


def is_result(message: Published) -> bool:
    return message.channel.startswith(RESULTS)


def read(message: Published) -> list[Event]:
    return [event for event in read_events(message.data) if event["type"] != "task-sent"]


def test_an_end_is_of_the_next_attempt_when_that_has_started() -> None:
    events = (received("a1"), started("a1"), received("a1", 1), started("a1"), succeeded("a1"), retried("a1"))
    assert numbered(EventSequence(), *events)[2:] == [
        ("task-received", 2),
        ("task-started", 2),
        ("task-succeeded", 2),
        ("task-retried", UNKNOWN_ATTEMPT),
    ]


def test_an_end_is_of_this_attempt_when_the_next_has_not_started() -> None:
    sequence = EventSequence()
    events = (received("a1"), started("a1"), received("a1", 1), succeeded("a1"))
    assert numbered(sequence, *events)[2:] == [("task-succeeded", 1)]
    assert sequence.overdue(HOLD_MS) == []


def test_what_is_held_back_is_released_for_whom_it_is_asked() -> None:
    sequence = EventSequence()
    numbered(sequence, received("a1"), started("a1"), received("a1", 1), started("a1"), received("b1"))
    assert sequence.release("b1", 0) == []
    assert [attempt for _, attempt in sequence.release("a1", 0)] == [2, 2]
    assert sequence.release("a1", 0) == []


def test_of_a_task_that_is_forgotten_nothing_is_held_back() -> None:
    sequence = EventSequence(limit=1)
    numbered(sequence, received("a1"), received("a1", 1), received("b1"))
    assert sequence.overdue(HOLD_MS) == []
    assert numbered(sequence, started("a1")) == [("task-started", UNKNOWN_ATTEMPT)]


def test_an_event_held_back_is_read_in_the_end_when_the_one_before_it_was_lost() -> None:
    sequence = EventSequence()
    assert numbered(sequence, received("a1"), received("a1", 1), now_ms=1_000) == [("task-received", 1)]

    assert sequence.overdue(1_000 + HOLD_MS - 1) == []
    assert sequence.overdue(1_000 + HOLD_MS) == [(received("a1", 1), 2)]
    assert sequence.overdue(1_000 + HOLD_MS) == []
    assert numbered(sequence, started("a1")) == [("task-started", 2)]


def test_the_backend_is_counted_from_an_attempt_it_was_told() -> None:
    counter = ResultCounter()
    assert counter.current("a1") == UNKNOWN_ATTEMPT

    counter.told(news(Status.RUNNING, attempt=1))
    assert counter.current("a1") == 1
    counter.told(news(Status.RETRYING, attempt=1))
    assert counter.current("a1") == 2
    counter.told(news(None, attempt=2))
    assert counter.current("a1") == 2


def test_an_unknown_attempt_is_learned_from_the_answer() -> None:
    counter = ResultCounter()
    running = news(Status.RUNNING)

    counter.told(running)
    assert counter.current("a1") == UNKNOWN_ATTEMPT
    counter.answered(running, 3)

    assert counter.current("a1") == 3


def test_a_retry_whose_attempt_was_unknown_makes_the_next_one_known() -> None:
    counter = ResultCounter()
    retrying = news(Status.RETRYING)
    counter.told(retrying)
    counter.answered(retrying, 3)
    assert counter.current("a1") == 4


def test_while_answers_are_outstanding_the_attempt_stays_unknown() -> None:
    counter = ResultCounter()
    retrying, running = news(Status.RETRYING), news(Status.RUNNING)
    counter.told(retrying)
    counter.told(running)

    counter.answered(retrying, 1)
    assert counter.current("a1") == UNKNOWN_ATTEMPT
    counter.answered(running, 2)
    assert counter.current("a1") == 2


def test_an_answer_that_knows_no_attempt_changes_nothing() -> None:
    counter = ResultCounter()
    running = news(Status.RUNNING)
    counter.told(running)
    counter.answered(running, 0)
    assert counter.current("a1") == UNKNOWN_ATTEMPT


def test_a_late_answer_does_not_take_back_what_was_learned_since() -> None:
    counter = ResultCounter()
    unknown = news(Status.RUNNING)
    counter.told(unknown)
    counter.told(news(Status.RETRYING, attempt=4))
    counter.answered(unknown, 1)
    assert counter.current("a1") == 5


def test_an_ended_task_is_forgotten_and_answers_about_it_are_too() -> None:
    counter = ResultCounter()
    running = news(Status.RUNNING)
    counter.told(running)
    counter.told(news(Status.SUCCEEDED))
    counter.answered(running, 1)
    assert counter.current("a1") == UNKNOWN_ATTEMPT


def test_an_answer_about_a_known_attempt_changes_nothing() -> None:
    counter = ResultCounter()
    known = news(Status.RUNNING, attempt=2)
    counter.told(known)
    counter.answered(known, 9)
    assert counter.current("a1") == 2


@pytest.mark.parametrize(
    ("one", "ends"), [(received("a1"), False), (started("a1"), False), (retried("a1"), True), (received("a1", 1), True)]
)
def test_a_retry_and_what_comes_after_it_end_an_attempt(one: Event, ends: bool) -> None:
    assert ends_an_attempt(one) == ends
