"""What a submit is answered with: the task as it was accepted, its end, or its stream."""

import pytest

from tests.acceptance.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="package")
HELD = {"task": "stock.add", "args": [1, 1], "options": {"queue": "idle", "countdown": 3_600}}


async def test_the_first_contract_waits_for_the_end_or_streams_when_it_is_asked_to(api: Api) -> None:
    body = {"data": "sample payload"}
    waited = await api.http.post("/tasks/submit", json=body, headers={"Prefer": "wait=1234567"})
    assert (waited.status_code, waited.json()["status"]) == (200, "succeeded")
    assert waited.headers["preference-applied"] == "wait=60"

    streamed = await api.http.post("/tasks/submit", json=body, headers={"Accept": "text/event-stream"})
    assert (streamed.status_code, streamed.headers["content-type"]) == (202, "text/event-stream; charset=utf-8")
    assert "event: succeeded\n" in streamed.text

    plain = await api.http.post("/tasks/submit", json=body, headers={"Accept": "application/json;q=0.9, */*;q=0.1"})
    assert (plain.status_code, plain.json().keys()) == (202, {"task_id", "status"})
    assert plain.headers["retry-after"] == "2"


async def test_a_task_that_is_held_is_answered_as_it_is_read_right_after(api: Api) -> None:
    accepted = (await api.http.post("/v1/tasks", json=HELD)).json()
    read = await api.task(accepted["task_id"])
    of_a_moment = {"submitted_at", "expires_at"}
    assert {name: accepted[name] for name in accepted.keys() - of_a_moment} == {
        name: read[name] for name in read.keys() - of_a_moment
    }
    assert (accepted["status"], accepted["seq"], accepted["eta"] is None) == ("scheduled", 2, False)
    assert all(accepted[name][:16] <= read[name][:16] for name in of_a_moment)
    await api.cancel(accepted["task_id"])  # other stories count those that are held


async def test_a_submit_that_is_sent_again_is_answered_with_the_task_as_it_is(api: Api) -> None:
    key = {"Idempotency-Key": "an-answer"}
    first = await api.http.post("/v1/tasks", json=HELD, headers=key)
    task_id = first.json()["task_id"]
    assert (await api.cancel(task_id)).status_code == 202
    again = await api.http.post("/v1/tasks", json=HELD, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    read = await api.task(task_id)
    assert {**again.json(), "expires_at": ""} == {**read, "expires_at": ""}
    assert (read["status"], read["submitted_at"] is None) == ("cancelled", False)
