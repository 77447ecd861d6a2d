"""Running tasks again, one or many, and cancelling many."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.cursors import opened, sealed
from app.routes.bulk import MOST
from bridge import Call
from bridge.errors import BrokerUnavailable, PayloadGone, QueueSaturated, TaskEnded, TaskExpired
from bridge.protocol.state import ENDS, Status
from bridge.records.task_list import FOR_EVER, START, Cursor, TaskFilter, TaskPage
from bridge.submit.acceptance import Replayed
from tests.unit.app.edge import ToldClient, asked, record
from tests.unit.bridge.updates import TASK_ID

PATH = f"/v1/tasks/{TASK_ID}/replay"
KEY = {"Idempotency-Key": "k1"}
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


async def test_a_replay_that_is_sent_again_answers_the_first(app: FastAPI) -> None:
    client = ToldClient(record=record(task_id="again", replay_of=TASK_ID))
    first = await asked(app, client, "POST", PATH, headers=KEY)
    client.told["replayed"] = True
    again = await asked(app, client, "POST", PATH, headers=KEY)
    assert client.told_replays.keys == ["k1", "k1"]
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["task_id"] == first.json()["task_id"] == "again"
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")


class LosingClient(ToldClient):
    """Runs tasks again, and knows nothing of them afterwards."""

    async def record(self, task_id: str) -> Any:
        raise TaskExpired(task_id)


async def test_a_replay_is_answered_when_nothing_is_known_of_it_any_more(app: FastAPI) -> None:
    answer = await asked(app, LosingClient(replayed=True), "POST", PATH, headers=KEY)
    assert (answer.status_code, answer.json()["task_id"], answer.json()["replay_of"]) == (202, "again", TASK_ID)


@pytest.mark.parametrize(("path", "body"), [(PATH, {}), ("/v1/tasks/replay", {"filter": {}})])
async def test_a_key_of_a_replay_is_visible_ascii(app: FastAPI, path: str, body: dict[str, Any]) -> None:
    answer = await asked(app, ToldClient(), "POST", path, json=body, headers={"Idempotency-Key": "k1 a1"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


@pytest.mark.parametrize("body", [{"arguments": []}, {"args": {}}, {"options": {"priority": 10}}, []])
async def test_changes_are_checked(app: FastAPI, body: object) -> None:
    answer = await asked(app, ToldClient(), "POST", PATH, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "payload-invalid")


async def test_a_task_whose_message_is_gone_is_answered_409(app: FastAPI) -> None:
    answer = await asked(app, ToldClient(fails=PayloadGone(TASK_ID, "succeeded")), "POST", PATH)
    assert (answer.status_code, answer.json()["type"]) == (409, "payload-gone")
    assert "Submit the task anew" in answer.json()["detail"]


async def bulk(app: FastAPI, client: ToldClient, what: str, *, key: str = "", **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await asked(app, client, "POST", f"/v1/tasks/{what}", json={"filter": {}, **body}, headers=headers)


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


async def test_many_that_are_replayed_again_are_answered_as_they_were(app: FastAPI) -> None:
    client = ToldClient(page=PAGE, replayed_as=["b1", PayloadGone("a2", "succeeded")])
    first = await bulk(app, client, "replay", key="k1")
    client.told["replayed_as"] = [Replayed("b1"), PayloadGone("a2", "succeeded")]
    again = await bulk(app, client, "replay", key="k1")
    assert again.json() == first.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert client.told_replays.keys == ["k1", "k1"]
    one, other = (which.submitted_before for which, *_ in client.told_tasks.asked)
    assert one == other < FOR_EVER


async def test_what_is_missing_of_many_is_replayed_and_then_it_is_no_replay_of_the_answer(app: FastAPI) -> None:
    client = ToldClient(page=PAGE, replayed_as=["b1", QueueSaturated("celery", 10)])
    await bulk(app, client, "replay", key="k1")
    client.told["replayed_as"] = [Replayed("b1"), "b2"]
    again = await bulk(app, client, "replay", key="k1")
    assert again.json()["outcomes"] == {"replayed": 2}
    assert "idempotency-replayed" not in again.headers


@pytest.mark.parametrize("other", [{"filter": {"queue": "q"}}, {"limit": 5}])
async def test_another_bulk_replay_with_the_key_is_refused(app: FastAPI, other: dict[str, Any]) -> None:
    client = ToldClient(page=PAGE, replayed_as=["b1", "b2"])
    await bulk(app, client, "replay", key="k1")
    answer = await bulk(app, client, "replay", key="k1", **other)
    assert (answer.status_code, answer.json()["type"]) == (422, "idempotency-key-reused")
    assert len(client.told_replays.asked) == 2


async def test_neither_a_dry_run_nor_one_that_replays_nothing_uses_a_key(app: FastAPI) -> None:
    client = ToldClient(replayed_as=[])
    await bulk(app, client, "replay", key="k1", dry_run=True)
    answer = await bulk(app, client, "replay", key="k1")
    assert (answer.json()["matched"], client.told_claims.held) == (0, {})
    assert "idempotency-replayed" not in answer.headers


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
