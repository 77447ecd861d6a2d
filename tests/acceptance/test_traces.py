"""The trace of a request goes on in its tasks, whichever way they were submitted."""

from typing import Any

import pytest

from tests.acceptance.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="package")
TRACE = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "vendor=1",
    "baggage": "user=42",
}
TRACED = {"task": "stock.traced", "options": {"queue": "stock"}}
SECOND = {**TRACED, "immutable": True}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/tasks", TRACED),
        ("/v1/batches", {"items": [TRACED, TRACED]}),
        ("/v1/workflows", {"chain": [TRACED, SECOND]}),
        ("/v1/workflows", {"chord": {"header": [TRACED], "body": SECOND}}),
    ],
)
async def test_a_task_finds_the_trace_of_the_request_that_submitted_it(api: Api, path: str, body: Any) -> None:
    answer = await api.http.post(path, json=body, headers=TRACE)
    assert answer.status_code == 202, answer.text
    for task_id in task_ids(answer.json()):
        (*_, end) = await api.follow(task_id)
        assert end.content["result"] == list(TRACE.values())


def task_ids(told: dict[str, Any]) -> list[str]:
    """Of one task, a batch or a workflow."""
    if "items" in told:
        return [item["task_id"] for item in told["items"]]
    return [told["task_id"]]
