"""Submitting workflows: chains, groups and chords of tasks, nested at will."""

from dataclasses import replace
from typing import Self
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.accepted import as_accepted
from app.answers import ASK_AGAIN, PARAMETERS, PLACE, WHERE, applied
from app.auth import caller_of
from app.body import StrictJsonRoute
from app.deps import Edge, TheEdge
from app.errors import documented
from app.idempotency import idempotency_key, replayed_header
from app.preferences import preferred_wait
from app.schemas import TaskLinks, TaskResource, now_ms, task_path
from app.trace_context import trace_headers
from app.waiting import end_within
from app.workflows import Workflow, read_workflow
from bridge import TaskRecord
from bridge.access.api_keys import Scope
from bridge.errors import PetioleError
from bridge.launcher import Begun
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.compact import compact
from bridge.protocol.state import Status

router = APIRouter(route_class=StrictJsonRoute)


class WorkflowPart(BaseModel):
    """A task, or the `members` of a group, which run at the same time, or `steps`, which run one after another."""

    task_id: str | None = None
    task: str | None = None
    links: TaskLinks | None = None
    group_id: str | None = None
    members: list["WorkflowPart"] | None = None
    steps: list["WorkflowPart"] | None = None

    @classmethod
    def of(cls, node: ResultNode) -> Self:
        """A result, with all that leads to it."""
        steps = [node, *node.ancestors()][::-1]
        return cls(steps=[cls._alone(step) for step in steps]) if len(steps) > 1 else cls._alone(node)

    @classmethod
    def _alone(cls, node: ResultNode) -> Self:
        if node.children is None:
            return cls(task_id=node.id, task=node.task, links=TaskLinks.of(node.id))
        return cls(group_id=node.id, members=[cls.of(child) for child in node.children])


class WorkflowLinks(BaseModel):
    """Where to go from here."""

    tasks: str = Field(description="All its tasks; its id is their `batch_id`.")
    events: str = Field(description="The stream of all its tasks, from before the first update.")


class WorkflowAccepted(BaseModel):
    """A workflow that has begun."""

    workflow_id: str
    task_id: str | None = Field(None, description="The task whose result is that of the whole; a group has none.")
    task: TaskResource | None = Field(None, description="That task as it is now.")
    parts: WorkflowPart = Field(description="Every task. Of `steps` the last one has the result.")
    links: WorkflowLinks


@router.post(
    "/v1/workflows",
    status_code=202,
    response_model=WorkflowAccepted,
    response_model_exclude_none=True,
    responses={
        200: {"model": WorkflowAccepted, "description": "With `Prefer: wait=N`: it ended in time.", "headers": PLACE},
        202: {"headers": WHERE},
        **documented(409, 413, 422, 503),
    },
    tags=["submit"],
    summary="Submit a workflow",
    openapi_extra={"parameters": PARAMETERS},
)
async def submit_workflow(request: Request, body: Workflow, edge: TheEdge) -> Response:
    """Queue a chain, group or chord, nested at will: all of it, or nothing.

    Every task is known from now on, also one whose turn comes later: until then it is `submitted`. When
    a task fails, those after it in its chain, and the body of its chord, are `failed` with its error, as Celery has it;
    whatever else will never run is `cancelled` within seconds, with the error `NeverStarted`.
    Tasks of `link` and `link_error` get their ids when they are sent, so they stand in no list before, and none of them
    is given a `task_id` or `tags`.

    With an `Idempotency-Key` the same workflow again answers the first one, and queues nothing.

    `Prefer: wait=N` waits for the task that has the result of the whole; a group has none, and is answered at once.
    """
    key, canvas = idempotency_key(request), read_workflow(body.root, trace_headers(request.headers))
    begun = await edge.client.start_batch(canvas, str(uuid4()), key=key)
    record, waited = await _waited(begun, request, edge)
    batch = quote(begun.batch)
    accepted = WorkflowAccepted(
        workflow_id=begun.batch,
        task_id=record.task_id if record else None,
        task=TaskResource.of(record, now_ms()) if record else None,
        parts=WorkflowPart.of(begun.result),
        links=WorkflowLinks(tasks=f"/v1/tasks?batch={batch}", events=f"/v1/events?batch={batch}&after={begun.cursor}"),
    )
    headers = {
        "Location": task_path(record.task_id) if record else accepted.links.tasks,
        "Link": f'<{accepted.links.events}>; rel="monitor"',
        **waited,
        **replayed_header(replayed=begun.replayed),
    }
    status = 200 if record and record.final else 202
    headers |= ASK_AGAIN if status == 202 else {}
    content = accepted.model_dump(mode="json", exclude_none=True)  # of the parts, which have the one or the other
    content["task"] = accepted.task.model_dump(mode="json") if accepted.task else None
    return Response(compact(content).encode(errors="replace"), status, headers, "application/json")


async def _waited(begun: Begun, request: Request, edge: Edge) -> tuple[TaskRecord | None, dict[str, str]]:
    """The task of the whole, after the wait that is preferred, and the header that says so."""
    if begun.result.children is not None:
        return None, {}
    record = await _record_of(begun, request, edge)
    seconds = preferred_wait(", ".join(request.headers.getlist("prefer")))
    if seconds is None:
        return record, {}
    try:
        return await end_within(seconds, record, edge), applied(seconds, edge)
    except PetioleError:  # it has begun, whatever fails from here on
        return record, {}


async def _record_of(begun: Begun, request: Request, edge: Edge) -> TaskRecord:
    """The task of the whole as it was when the workflow began or, when it had before, as it is for who may read it."""
    first = _at_first(begun, edge)
    if not begun.replayed:
        return first
    try:
        record = await edge.client.record(first.task_id)
    except PetioleError:  # no time is invented
        return replace(first, submitted_at=None)
    if Scope.READ in caller_of(request.scope).scopes:
        return record
    return as_accepted(record, edge.settings, now_ms())


def _at_first(begun: Begun, edge: Edge) -> TaskRecord:
    signature = begun.result.signature
    options = signature.options if signature else {}
    record = TaskRecord(
        task_id=begun.result.id,
        status=Status.SUBMITTED,
        celery_state="PENDING",
        attempt=1,
        seq=1,
        task=begun.result.task,
        queue=options.get("queue", edge.settings.default_queue),
        priority=options.get("priority", 0),
        tags=signature.tags if signature else (),
        batch_id=begun.batch,
    )
    return as_accepted(record, edge.settings, now_ms())
