"""Reading and cancelling tasks."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from app.answers import ASK_AGAIN, where
from app.body import StrictJsonRoute
from app.deps import TheClient, TheEdge
from app.errors import Problem, ProblemRaised, documented
from app.histories import History, history_json
from app.response_headers import described
from app.schemas import MAX_SECONDS, CancelOutcome, CancelRequest, TaskResource, TaskResult, now_ms
from app.validators import etag, matches
from app.waiting import end_within, news_within
from bridge import TaskClient, TaskRecord
from bridge.protocol.compact import compact
from bridge.protocol.state import Status

router = APIRouter(prefix="/v1/tasks", route_class=StrictJsonRoute)
TaskId = Annotated[str, Path(max_length=255, description="The `task_id` that a submit answered.")]
MAX_SEQ = 999_999_999_999_999
"""As many digits as `Last-Event-ID` may have. Redis and Lua know no integers beyond 2**53."""
Wait = Annotated[
    float,
    Query(
        ge=0, le=MAX_SECONDS, description="Seconds to wait for, at the most. The server cuts it to a limit of its own."
    ),
]
After = Annotated[int, Query(ge=0, le=MAX_SEQ, description="Only updates with a number above this one.")]
_PLACE = described("Location", "Link", *ASK_AGAIN)
"""The headers of a 202: where the task is, where it can be followed, and when to ask again."""


@router.get(
    "/{task_id}",
    response_model=TaskResource,
    responses={
        200: {"headers": {"ETag": {"description": "Changes with the task.", "schema": {"type": "string"}}}},
        304: {"description": "The task is as it was at that `ETag`."},
        **documented(404, 410, 422, 503),
    },
    tags=["tasks"],
    summary="A task as it is now",
)
async def read_task(
    task_id: TaskId, edge: TheEdge, wait: Wait = 0, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Everything that is known of a task. 404 means that it was never submitted here, or that its record has gone.

    With `wait` the answer comes with the task's next update, or after so many seconds. A client that sends the `ETag`
    it has as `If-None-Match` misses none in between: it is answered at once when there is news, and 304 without news.
    """
    record = await edge.client.record(task_id)
    if wait and matches(if_none_match or "*", etag(record)):
        record = await news_within(wait, record, edge)
    headers = {"ETag": etag(record), "Cache-Control": "no-cache"}
    if matches(if_none_match, etag(record)):
        return Response(status_code=304, headers=headers)
    return Response(TaskResource.of(record, now_ms()).model_dump_json(), 200, headers, "application/json")


@router.get(
    "/{task_id}/result",
    response_model=TaskResult,
    responses={
        202: {
            "model": TaskResource,
            "description": "The task has not ended; ask again after `Retry-After` seconds, or follow it.",
            "headers": _PLACE,
        },
        **documented(404, 409, 410, 422, 503),
    },
    tags=["tasks"],
    summary="What a task returned",
)
async def read_result(task_id: TaskId, edge: TheEdge, wait: Wait = 0) -> Response:
    """The result, however large; with `wait` as soon as there is one. A task that failed answers 409 `task-failed` with
    its error, never a 5xx.
    """
    record = await edge.client.record(task_id)
    if wait:
        record = await end_within(wait, record, edge)
    if not record.final:
        body = TaskResource.of(record, now_ms()).model_dump_json()
        return Response(body, 202, where(task_id), "application/json")
    if record.status is not Status.SUCCEEDED:
        raise ProblemRaised(_failed(record))
    result = await _result(record, edge.client)
    body = compact({"task_id": task_id, "status": record.status, "result": result})
    return Response(body.encode(errors="replace"), media_type="application/json")


async def _result(record: TaskRecord, client: TaskClient) -> Any:
    last = record.last.fields if record.last else {}
    if "result_ref" not in last:
        return last.get("result")
    meta = await client.stored_result(record.task_id)
    if meta is None:
        raise ProblemRaised(
            Problem(type="task-expired", status=410, detail="The result backend does not keep this result any more.")
        )
    return meta.result


def _failed(record: TaskRecord) -> Problem:
    error = record.last.error if record.last else None
    return Problem(
        type="task-failed",
        status=409,
        detail=f"The task has no result: {record.status}.",
        more={"task_status": record.status, "error": error},
    )


@router.get(
    "/{task_id}/history",
    response_model=History,
    responses=documented(404, 410, 422, 503),
    tags=["tasks"],
    summary="All updates of a task",
)
async def read_history(task_id: TaskId, client: TheClient, after: After = 0) -> Response:
    """The numbered updates that are kept, the oldest first: the same that the stream sends.

    `reset` is true when some after `after` are not kept any more; then `task` is the whole task.
    """
    return Response(await history_json(client, task_id, after), media_type="application/json")


@router.post(
    "/{task_id}/cancel",
    status_code=202,
    response_model=CancelOutcome,
    responses={202: {"headers": _PLACE}, **documented(404, 409, 410, 413, 422, 503)},
    tags=["tasks"],
    summary="Cancel a task",
)
async def cancel_task(
    task_id: TaskId, client: TheClient, response: Response, request: CancelRequest | None = None
) -> CancelOutcome:
    """Take a task out of its queue, or tell the workers to discard it; its stream says when it has ended.

    A task that runs already goes on, unless `terminate` is true: then the process that runs it gets the signal.
    409 `task-ended` if it has ended.
    """
    asked = request or CancelRequest()
    outcome = await client.cancel(task_id, terminate=asked.terminate, signal=asked.signal, reason=asked.reason)
    response.headers.update(where(task_id))
    return CancelOutcome(task_id=task_id, outcome=outcome, reason=asked.reason)
