"""Submitting tasks: the first contract, and tasks by name."""

import json

from fastapi import APIRouter, Request, Response

from app.answers import ACCEPTED, ENDED_IN_TIME, PARAMETERS, answer, record_of, where
from app.body import DirectRoute, StrictJsonRoute, documented_body, read_as
from app.deps import TheEdge, edge_of
from app.errors import ProblemRaised, documented, payload_invalid
from app.preferences import wish
from app.schemas import SubmitRequest, Submitted, TaskRequest, TaskResource
from app.submit_headers import submit_options
from bridge import TaskRecord
from bridge.errors import InvalidMessage

direct = APIRouter(route_class=DirectRoute)
router = APIRouter(route_class=StrictJsonRoute)
_ERRORS = documented(409, 413, 422, 503)


@direct.post(
    "/tasks/submit",
    status_code=202,
    response_model=Submitted,
    responses={200: ENDED_IN_TIME, 202: ACCEPTED, **_ERRORS},
    tags=["submit"],
    summary="Submit the default task",
    openapi_extra=documented_body(SubmitRequest) | {"parameters": PARAMETERS},
)
async def submit(request: Request) -> Response:
    """Run the default task (`workers.tasks.heavy_task`, unless the service is told otherwise) with `data`.

    The task is queued *and* recorded when this answers 202: its id is known from now on. `Prefer: wait=10` answers 200
    with the task, as `GET /v1/tasks/{task_id}` has it, if it ends within ten seconds; `Accept: text/event-stream`
    answers 202 with its stream.
    """
    # Neither the body nor the client comes by FastAPI's injection, which costs more than the queueing itself.
    edge = edge_of(request)
    body = await read_as(SubmitRequest, request)
    options, task = submit_options(request), edge.settings.default_task
    try:
        handle = await edge.client.submit(task, [body.data], **options)
    except InvalidMessage as error:
        raise ProblemRaised(payload_invalid([{"pointer": "/data", "detail": error.reason, "in": "body"}])) from error
    if wish(request.headers.raw) is None:
        headers = where(handle.task_id, replayed=handle.replayed)
        return Response(_two_keys(handle.task_id), 202, headers, "application/json")
    record = await record_of(handle, TaskRequest.model_construct(task=task, args=[body.data]), edge)
    return await answer(record, request, edge, replayed=handle.replayed, tell=_told)


def _two_keys(task_id: str) -> str:
    return json.dumps({"task_id": task_id, "status": "submitted"})


def _told(record: TaskRecord) -> str:
    return _two_keys(record.task_id)


@router.post(
    "/v1/tasks",
    status_code=202,
    response_model=TaskResource,
    responses={200: ENDED_IN_TIME, 202: ACCEPTED, **_ERRORS},
    tags=["submit"],
    summary="Submit a task by its name",
    openapi_extra={"parameters": PARAMETERS},
)
async def submit_task(request: Request, body: TaskRequest, edge: TheEdge) -> Response:
    """Queue any task that the workers know, with any JSON arguments.

    The name is not checked, since only workers know theirs: a name that no worker has fails with `NotRegistered`.
    A `task_id` that was used before answers 409 and queues nothing. A submit with an `Idempotency-Key` can be sent
    again: it answers the task of the first one.
    `Prefer: wait=10` answers 200 with the task if it ends within ten seconds; `Accept: text/event-stream` answers 202
    with its stream.
    """
    options = submit_options(request, body.options.to_bridge())
    handle = await edge.client.submit(body.task, body.args, body.kwargs, **options)
    record = await record_of(handle, body, edge)
    return await answer(record, request, edge, replayed=handle.replayed)
