from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from app.accepted import accepted, as_accepted
from app.schemas import TaskOptions, TaskRequest
from app.settings import Settings
from bridge import TaskHandle, TaskRecord
from bridge.protocol.state import Status
from tests.unit.app.edge import ToldClient, asked, record
from tests.unit.bridge.updates import last_update

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SETTINGS = Settings.load(hold_after=300, open_ttl=3_600)
HOUR = timedelta(hours=1)


def told(*, eta: datetime | None = None, replayed: bool = False, **options: Any) -> TaskRecord:
    request = TaskRequest(task="tasks.add", options=TaskOptions(**options))
    return accepted(TaskHandle(ToldClient(), "b2", eta=eta, replayed=replayed), request, SETTINGS, NOW_MS)


def test_a_task_that_was_just_accepted_is_told_without_asking_again() -> None:
    task = told(priority=3, tags=["x"])
    assert (task.task_id, task.task, task.queue, task.priority) == ("b2", "tasks.add", "celery", 3)
    assert (task.status, task.celery_state, task.attempt, task.seq) == (Status.SUBMITTED, "PENDING", 1, 1)
    assert (task.tags, task.final, task.submitted_at, task.eta) == (("x",), False, NOW_MS, None)
    assert task.life_left_ms == 3_600_000
    assert told(queue="mail").queue == "mail"


@pytest.mark.parametrize(
    ("delay", "status", "seq", "life"),
    [
        (timedelta(seconds=300), Status.SUBMITTED, 1, timedelta(hours=1)),
        (timedelta(seconds=300, milliseconds=1), Status.SCHEDULED, 2, timedelta(hours=1, seconds=301)),
        (HOUR, Status.SCHEDULED, 2, 2 * HOUR),
        (-HOUR, Status.SUBMITTED, 1, HOUR),
    ],
)
def test_a_task_that_is_put_off_says_until_when_and_is_scheduled_if_it_is_held(
    delay: timedelta, status: Status, seq: int, life: timedelta
) -> None:
    task = told(eta=NOW + delay)
    assert (task.status, task.seq) == (status, seq)
    assert task.eta == int((NOW + delay).timestamp() * 1000)
    assert task.life_left_ms == life.total_seconds() * 1000


def test_of_a_task_that_was_accepted_before_no_time_is_invented() -> None:
    task = told(replayed=True)
    assert (task.submitted_at, task.eta, task.life_left_ms, task.seq) == (None, None, None, 1)


def test_what_became_of_a_task_is_not_in_what_its_submit_was_answered() -> None:
    eta = NOW_MS + 3_600_000
    ended = record(
        status=Status.SUCCEEDED,
        seq=9,
        last=last_update(9),
        worker="celery@w1",
        progress={"current": 1},
        submitted_at=NOW_MS,
        finished_at=NOW_MS + 1,
        eta=eta,
        queue="mail",
        replay_of="a0",
        life_left_ms=5,
    )
    first = as_accepted(ended, SETTINGS, NOW_MS + 60_000)
    assert (first.status, first.seq, first.celery_state) == (Status.SCHEDULED, 2, "PENDING")
    assert (first.last, first.worker, first.progress, first.finished_at) == (None, None, None, None)
    assert (first.queue, first.replay_of, first.eta, first.submitted_at) == ("mail", "a0", eta, NOW_MS)
    assert first.life_left_ms == 2 * 3_600_000 - 60_000


def test_when_a_task_is_tried_again_is_not_when_it_was_put_off_to() -> None:
    again = as_accepted(record(attempt=2, eta=NOW_MS + 9, submitted_at=NOW_MS), SETTINGS, NOW_MS)
    assert (again.eta, again.status) == (None, Status.SUBMITTED)


async def test_a_submit_that_is_put_off_is_answered_with_what_its_record_has(app: FastAPI) -> None:
    body = {"task": "tasks.add", "options": {"eta": "2126-01-31T12:00:00Z"}}
    answer = (await asked(app, ToldClient(), "POST", "/v1/tasks", json=body)).json()
    assert (answer["status"], answer["seq"], answer["eta"]) == ("scheduled", 2, "2126-01-31T12:00:00.000Z")
    assert answer["expires_at"] > answer["eta"]
