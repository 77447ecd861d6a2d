import json
from typing import Any

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.encoding import encode
from bridge.protocol.envelope import open_json
from bridge.protocol.events import CeleryEvent, Sender, news_of_event, read_events, seal_task_sent, task_sent
from bridge.protocol.message import TaskMessage
from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from tests import celery_says
from tests.celery_says import TIME, WORKER, envelope, event, received
from tests.recorded import recorded, stories

AT_MS = 1_795_488_861_007
LATER = "2026-11-24T03:00:00+00:00"
REVOKED = {"type": "TaskRevokedError", "message": "revoked"}


def news_of(one: dict[str, Any], attempt: int = UNKNOWN_ATTEMPT) -> News:
    news = news_of_event(one, at_ms=AT_MS, attempt=attempt)
    assert news is not None
    return news


def test_one_event_is_read_as_a_list_of_one() -> None:
    assert read_events(envelope(received("a1"))) == [received("a1")]


def test_events_that_a_worker_sends_together_are_read_in_their_order() -> None:
    both = [received("a1"), celery_says.started("a1")]
    assert read_events(envelope(both)) == both
    assert read_events(envelope([])) == []


@pytest.mark.parametrize("name", ["yaml", "msgpack"])
def test_events_are_read_in_whatever_their_sender_writes(name: str) -> None:
    pytest.importorskip(name)
    both = [received("a1"), celery_says.started("a1")]
    assert read_events(celery_says.written_in(name, both)) == both


@pytest.mark.parametrize("odd", [None, 5, "text", {}, {"type": 5}, []])
def test_what_is_no_event_among_others_is_told_and_the_others_are_read(odd: object) -> None:
    both, told = [received("a1"), celery_says.started("a1")], list[object]()
    data = envelope([both[0], odd, both[1]])
    assert read_events(data, told.append) == both
    assert told == [odd]
    assert read_events(data) == both
    assert read_events(envelope([odd])) == []


@pytest.mark.parametrize("body", [None, 5, "text", {}, {"type": 5}])
def test_a_body_that_is_no_event_is_unreadable(body: object) -> None:
    with pytest.raises(UnreadableBytes, match="not an event"):
        read_events(envelope(body))


def test_a_task_is_announced_as_celery_does() -> None:
    encoded = encode(TaskMessage(task="tasks.add", task_id="a1", args=[1]))
    sender = Sender(hostname="gen7@example", pid=7)

    sent = task_sent(encoded, Route(queue="mail"), sender, clock=3, timestamp=1.5)
    event_type, data = seal_task_sent([sent], sender, delivery_tag="tag")

    assert event_type == "task-sent"
    (told,) = read_events(data)
    assert open_json(data) == told
    assert (told["type"], told["uuid"], told["name"]) == ("task-sent", "a1", "tasks.add")
    assert (told["queue"], told["routing_key"], told["exchange"]) == ("mail", "mail", "")
    assert (told["hostname"], told["pid"], told["clock"], told["timestamp"]) == ("gen7@example", 7, 3, 1.5)
    properties = json.loads(data)["properties"]
    assert properties["delivery_info"] == {"exchange": "celeryev", "routing_key": "task.sent"}


def test_several_tasks_are_announced_at_once_as_workers_do() -> None:
    sender = Sender(hostname="gen7@example", pid=7)
    encoded = [encode(TaskMessage(task="tasks.add", task_id=task_id)) for task_id in ("a1", "a2")]
    sent = [
        task_sent(one, Route(queue="mail"), sender, clock=clock, timestamp=1.5) for clock, one in enumerate(encoded)
    ]

    event_type, data = seal_task_sent(sent, sender, delivery_tag="tag")

    assert event_type == "task-multi"
    assert [(event["uuid"], event["clock"]) for event in read_events(data)] == [("a1", 0), ("a2", 1)]
    assert json.loads(data)["properties"]["delivery_info"]["routing_key"] == "task.multi"


def test_a_task_that_was_sent_is_submitted_and_known_by_name_and_queue() -> None:
    news = news_of(event("task-sent", "a1", retries=0, name="tasks.add", queue="mail"))

    assert (news.task_id, news.status, news.attempt) == ("a1", Status.SUBMITTED, 1)
    assert news.facts == {"task": "tasks.add", "queue": "mail"}


def test_a_task_that_sent_itself_again_has_not_said_yet_that_it_retries() -> None:
    assert news_of_event(event("task-sent", "a1", retries=1), at_ms=AT_MS) is None


def test_a_task_that_was_received_is_with_its_worker() -> None:
    news = news_of(received("a1", retries=2))

    assert (news.status, news.attempt) == (Status.RECEIVED, 3)
    assert news.facts == {"task": "tasks.add", "worker": WORKER}


@pytest.mark.parametrize(
    ("told", "kin"),
    [
        ({}, ()),
        ({"root_id": "a1", "parent_id": None}, ()),
        ({"root_id": "r1", "parent_id": "p1"}, ("p1", "r1")),
        ({"root_id": "r1", "parent_id": "r1"}, ("r1",)),
        ({"root_id": 7, "parent_id": "p1"}, ("p1",)),
    ],
)
def test_a_task_says_what_it_comes_of(told: dict[str, Any], kin: tuple[str, ...]) -> None:
    assert news_of(received("a1", **told)).kin == kin
    assert news_of(received("a1", eta=LATER, **told)).kin == kin
    assert news_of(celery_says.event("task-sent", "a1", retries=0, **told)).kin == kin


def test_a_task_that_was_received_long_before_its_time_is_scheduled() -> None:
    news = news_of(received("a1", eta=LATER))

    assert news.status is Status.SCHEDULED
    assert news.details == {"eta": "2026-11-24T03:00:00.000Z"}
    assert news.changes == {"eta": 1_795_489_200_000}


def test_a_task_that_was_received_after_its_time_runs_at_once() -> None:
    assert news_of(received("a1", eta="2026-11-24T02:00:00")).status is Status.RECEIVED


def test_a_task_that_started_runs_on_its_worker() -> None:
    news = news_of(celery_says.started("a1"), attempt=2)
    assert (news.status, news.attempt, news.changes) == (Status.RUNNING, 2, {"worker": WORKER})


def test_a_task_that_is_retried_says_why() -> None:
    news = news_of(celery_says.retried("a1"), attempt=1)
    assert (news.status, news.attempt) == (Status.RETRYING, 1)
    assert news.details == {"error": {"type": "ValueError", "message": "not yet"}}


def test_a_task_that_succeeded_has_its_result_in_the_backend() -> None:
    news = news_of(celery_says.succeeded("a1"))
    assert (news.status, news.details) == (Status.SUCCEEDED, {"result": None})


def test_a_task_that_failed_has_its_traceback_with_it() -> None:
    news = news_of(celery_says.failed("a1"))
    assert news.status is Status.FAILED
    assert news.details == {"error": {"type": "ValueError", "message": "oops", "traceback": "Traceback …"}}


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"expired": True, "terminated": False}, Status.EXPIRED, "expired"),
        ({"expired": False, "terminated": True, "signum": 15}, Status.CANCELLED, "terminated"),
        ({"expired": False, "terminated": False}, Status.CANCELLED, "revoked"),
        ({}, Status.CANCELLED, "revoked"),
    ],
)
def test_a_task_that_was_revoked_has_expired_or_was_cancelled(
    fields: dict[str, Any], status: Status, message: str
) -> None:
    news = news_of(event("task-revoked", "a1", **fields))
    assert news.status is status
    assert news.details == {"error": {"type": "TaskRevokedError", "message": message}}


def test_a_task_that_was_rejected_has_ended_unless_it_goes_back_to_its_queue() -> None:
    assert news_of(event("task-rejected", "a1", requeue=False)).status is Status.REJECTED
    assert news_of_event(event("task-rejected", "a1", requeue=True), at_ms=AT_MS) is None


def test_progress_that_a_task_tells_by_an_event_is_no_change_of_status() -> None:
    news = news_of(event("task-progress", "a1", current=4, total=10, cake="no"), attempt=2)

    assert (news.status, news.attempt) == (None, 2)
    assert news.details == {"progress": {"current": 4, "total": 10}}
    assert news.changes == {"progress": '{"current":4,"total":10}'}


def test_an_event_of_a_kind_that_says_nothing_of_a_status_is_no_news() -> None:
    assert news_of_event(event("task-custom", "a1"), at_ms=AT_MS) is None


def test_news_has_the_time_at_which_it_was_heard() -> None:
    assert news_of(celery_says.started("a1")).at_ms == AT_MS


@pytest.mark.parametrize(
    "malformed",
    [
        {"type": "task-started"},
        {"type": "task-started", "uuid": "a1"},
        {"type": "task-sent", "uuid": "a1"},
        {"type": "task-received", "uuid": "a1", "hostname": WORKER},
        received("a1", retries=None),  # type: ignore[arg-type]  # what a malformed event has
        received("a1", retries="2"),  # type: ignore[arg-type]
        received("a1", retries=1.5),  # type: ignore[arg-type]
        received("a1", retries=-1),
        received("a1", retries=True),
        received("a1", eta="soon"),
        received("a1", eta=5),
        received("a1", eta=LATER, timestamp="now"),
        received("a1", eta=LATER, timestamp=float("inf")),
        received("a1", eta=LATER, timestamp=float("nan")),
        received("a1", eta=LATER, timestamp=1e300),
        received("a1", eta="0001-01-01T00:00:00+14:00", timestamp=-1e11),
        {"type": "task-retried", "uuid": "a1"},
        {"type": "task-failed", "uuid": "a1"},
    ],
)
def test_an_event_without_what_celery_always_sends_is_unreadable(malformed: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBytes, match=f"not a {malformed['type']} event"):
        news_of_event(malformed, at_ms=AT_MS)


def test_an_event_says_who_sent_it_when_and_about_which_task() -> None:
    told = CeleryEvent.of(event("task-baked", "a1", degrees=180))

    assert (told.type, told.group, told.task_id) == ("task-baked", "task", "a1")
    assert (told.hostname, told.pid, told.clock, told.timestamp, told.utc_offset) == (WORKER, 7, 3, TIME, 0)
    assert told.details == {"degrees": 180}


def test_an_event_of_ones_own_may_be_about_no_task() -> None:
    told = dict(event("weather", "a1"))
    del told["uuid"]
    assert (CeleryEvent.of(told).group, CeleryEvent.of(told).task_id) == ("weather", None)


@pytest.mark.parametrize("story", [*stories(), "worker"])
def test_every_recorded_event_is_read(story: str) -> None:
    events = [one for message in recorded(story) if "celeryev" in message.channel for one in read_events(message.data)]
    assert [CeleryEvent.of(one).type for one in events] == [one["type"] for one in events]
    assert events


@pytest.mark.parametrize(
    "change", [{"timestamp": "now"}, {"pid": None}, {"clock": []}, {"clock": float("inf")}, {"utcoffset": {}}]
)
def test_an_event_with_an_envelope_of_its_own_kind_is_unreadable(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBytes, match="not a task-started event"):
        CeleryEvent.of({**celery_says.started("a1"), **change})
    with pytest.raises(UnreadableBytes, match="not a task-started event"):
        CeleryEvent.of({"type": "task-started"})
