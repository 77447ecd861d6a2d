"""Running tasks again, one or many, and cancelling many."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.cursors import opened, sealed
from app.routes.bulk import MOST
from bridge import Call
from bridge.errors import BrokerUnavailable, PayloadGone, QueueSaturated, TaskEnded
from bridge.protocol.state import ENDS, Status
from bridge.task_list import FOR_EVER, START, Cursor, TaskFilter, TaskPage
from tests.unit.app.edge import ToldClient, asked, record
from tests.unit.bridge.updates import TASK_ID

PATH = f"/v1/tasks/{TASK_ID}/replay"
PAGE = TaskPage(tasks=[record(task_id="a1"), record(task_id="a2")], next=Cursor(task_id="a2", time=7))


async def test_a_task_is_run_again_as_it_was(app: FastAPI) -> None:
    client = ToldClient(record=record(task_id="again", status=Status.SUBMITTED, replay_of=TASK_ID))
    answer = await asked(app, client, "POST", PATH)
    assert (answer.status_code, answer.json()["replay_of"]) == (202, TASK_ID)
    assert answer.headers["location"] == "/v1/tasks/again"
    assert client.told_replays.asked == [(TASK_ID, Call("", None, None, {}))]


async def test_what_is_given_is_changed_and_nothing_else(app: FastAPI) -> None:
    client = ToldClient()
    body = {"args": [], "options": {"queue": "slow", "eta": "2026-01-31T12:00:00Z", "expires": None}}
    await asked(app, client, "POST", PATH, json=body)
    options: Any = {"queue": "slow", "eta": datetime(2026, 1, 31, 12, tzinfo=UTC)}
    assert client.told_replays.asked == [(TASK_ID, Call("", [], None, options))]


@pytest.mark.parametrize("body", [{"arguments": []}, {"args": {}}, {"options": {"priority": 10}}, []])
async def test_changes_are_checked(app: FastAPI, body: object) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")


async def test_a_task_whose_message_is_gone_is_answered_409(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=PayloadGone(TASK_ID, "succeeded")), "POST", PATH)
    assert (answer.status_code, answer.json()["type"]) == (409, "payload-gone")
    assert "Submit the task anew" in answer.json()["detail"]


async def bulk(app: FastAPI, client: ToldClient, what: str, **body: Any) -> httpx.Response:
    return await asked(app, client, "POST", f"/v1/tasks/{what}", json={"filter": {}, **body})


@pytest.mark.parametrize("what", ["cancel", "replay"])
async def test_a_dry_run_tells_which_tasks_it_would_be_and_does_nothing(app: FastAPI, what: str) -> None:
    client = ToldClient(page=PAGE)
    answer = await bulk(app, client, what, dry_run=True)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["dry_run"], told["matched"], told["outcomes"]) == (True, 2, {})
    assert [task["task_id"] for task in told["tasks"]] == ["a1", "a2"]
    assert opened(told["next"]) == PAGE.next
    assert client.cancelled == []
    assert client.told_replays.asked == []


async def test_a_filter_is_that_of_the_list_and_the_cursor_goes_on(app: FastAPI) -> None:
    client = ToldClient()
    which = {
        "status": ["failed", "lost"],
        "type": "t",
        "queue": "q",
        "batch": "b",
        "tag": ["x", "y"],
        "submitted_from": "1970-01-01T00:00:01Z",
        "submitted_before": "1970-01-01T00:00:02Z",
    }
    await bulk(app, client, "replay", filter=which, limit=5, cursor=sealed(Cursor(task_id="a2", time=7)), dry_run=True)
    assert client.told_tasks.asked == [
        (
            TaskFilter(
                statuses=[Status.FAILED, Status.LOST],
                task="t",
                queue="q",
                batch="b",
                tags=["x", "y"],
                submitted_from=1_000,
                submitted_before=2_000,
            ),
            Cursor(task_id="a2", time=7),
            5,
        )
    ]


@pytest.mark.parametrize(("what", "wanted"), [("cancel", set(Status) - ENDS), ("replay", ENDS - {Status.SUCCEEDED})])
async def test_without_a_status_only_those_are_meant_that_it_makes_sense_for(
    app: FastAPI, what: str, wanted: set[Status]
) -> None:
    client = ToldClient()
    await bulk(app, client, what)
    ((which, after, limit),) = client.told_tasks.asked
    assert (set(which.statuses), after, limit) == (wanted, START, MOST)
    assert (which.submitted_from, which.submitted_before) == (0, FOR_EVER)


async def test_each_task_is_cancelled_as_it_is_asked_for(app: FastAPI) -> None:
    client = ToldClient(page=PAGE)
    answer = await bulk(app, client, "cancel", terminate=True, signal="SIGKILL", reason="wrong file")
    assert answer.json()["outcomes"] == {"requested": 2}
    assert client.cancelled == [
        {"task_id": task_id, "terminate": True, "signal": "SIGKILL", "reason": "wrong file"} for task_id in ("a1", "a2")
    ]


class EndingClient(ToldClient):
    """Cancels nothing, since all has ended."""

    async def cancel(self, task_id: str, **how: Any) -> Any:
        raise TaskEnded(task_id, "succeeded")


async def test_a_task_that_ended_meanwhile_is_told_by_the_type_of_its_problem(app: FastAPI) -> None:
    answer = await bulk(app, EndingClient(page=PAGE), "cancel")
    assert (answer.json()["outcomes"], answer.json()["matched"]) == ({"task-ended": 2}, 2)


async def test_each_replay_has_an_outcome(app: FastAPI) -> None:
    client = ToldClient(page=PAGE, replayed_as=["b1", QueueSaturated("celery", 10)])
    told = (await bulk(app, client, "replay")).json()
    assert told["outcomes"] == {"replayed": 1, "queue-saturated": 1}
    assert told["tasks"] == [
        {"task_id": "a1", "outcome": "replayed", "replayed_as": "b1"},
        {"task_id": "a2", "outcome": "queue-saturated", "replayed_as": None},
    ]


@pytest.mark.parametrize("what", ["cancel", "replay"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": None}, "/filter"),
        ({"filter": {"statuses": []}}, "/filter/statuses"),
        ({"filter": {"status": ["done"]}}, "/filter/status/0"),
        ({"limit": MOST + 1}, "/limit"),
        ({"cursor": "?"}, "/cursor"),
        ({"dry_run": "yes"}, "/dry_run"),
    ],
)
async def test_what_is_wrong_is_named(app: FastAPI, what: str, body: dict[str, Any], pointer: str) -> None:
    answer = await bulk(app, ToldClient(), what, **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("what", ["cancel", "replay"])
async def test_a_filter_must_be_given_so_that_nobody_cancels_all_by_mistake(app: FastAPI, what: str) -> None:
    answer = await asked(app, ToldClient(), "POST", f"/v1/tasks/{what}", json={})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/filter")


@pytest.mark.parametrize("what", ["cancel", "replay"])
async def test_a_broker_that_is_away_is_503(app: FastAPI, what: str) -> None:
    answer = await bulk(app, ToldClient(fails=BrokerUnavailable("gone")), what)
    assert (answer.status_code, answer.json()["type"]) == (503, "broker-unavailable")
