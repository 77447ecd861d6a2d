"""Submitting workflows: chains, groups and chords of tasks, nested at will."""

from typing import Self
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.answers import ASK_AGAIN, PLACE, WHERE, applied
from app.body import StrictJsonRoute
from app.deps import Edge, TheEdge
from app.errors import documented
from app.preferences import PREFER, preferred_wait
from app.schemas import TaskLinks, TaskResource, now_ms, task_path
from app.trace_context import trace_headers
from app.waiting import end_within
from app.workflows import Workflow, read_workflow
from bridge import TaskRecord
from bridge.errors import PetioleError
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
    openapi_extra={"parameters": [PREFER]},
)
async def submit_workflow(request: Request, body: Workflow, edge: TheEdge) -> Response:
    """Queue a chain, group or chord, nested at will: all of it, or nothing.

    Every task is known from now on, also one whose turn comes later: until then it is `submitted`. When
    a task fails, those after it in its chain, and the body of its chord, are `failed` with its error, as Celery has it;
    whatever else will never run is `cancelled` within seconds, with the error `NeverStarted`.
    Tasks of `link` and `link_error` get their ids when they are sent, so they stand in no list before.

    `Prefer: wait=N` waits for the task that has the result of the whole; a group has none, and is answered at once.
    """
    canvas, workflow_id = read_workflow(body.root, trace_headers(request.headers)), str(uuid4())
    cursor = await edge.client.feed.end()
    result = await edge.client.start_batch(canvas, workflow_id)
    record, waited = await _waited(result, request, edge)
    accepted = WorkflowAccepted(
        workflow_id=workflow_id,
        task_id=record.task_id if record else None,
        task=TaskResource.of(record, now_ms()) if record else None,
        parts=WorkflowPart.of(result),
        links=WorkflowLinks(
            tasks=f"/v1/tasks?batch={quote(workflow_id)}",
            events=f"/v1/events?batch={quote(workflow_id)}&after={cursor}",
        ),
    )
    headers = {
        "Location": task_path(record.task_id) if record else accepted.links.tasks,
        "Link": f'<{accepted.links.events}>; rel="monitor"',
        **waited,
    }
    status = 200 if record and record.final else 202
    headers |= ASK_AGAIN if status == 202 else {}
    content = accepted.model_dump(mode="json", exclude_none=True)  # of the parts, which have the one or the other
    content["task"] = accepted.task.model_dump(mode="json") if accepted.task else None
    return Response(compact(content).encode(errors="replace"), status, headers, "application/json")


async def _waited(result: ResultNode, request: Request, edge: Edge) -> tuple[TaskRecord | None, dict[str, str]]:
    """The task of the whole, after the wait that is preferred, and the header that says so."""
    if result.children is not None:
        return None, {}
    record = TaskRecord(
        task_id=result.id,
        status=Status.SUBMITTED,
        celery_state="PENDING",
        attempt=1,
        seq=1,
        task=result.task,
        submitted_at=now_ms(),
    )
    seconds = preferred_wait(", ".join(request.headers.getlist("prefer")))
    if seconds is None:
        return record, {}
    try:
        return await end_within(seconds, record, edge), applied(seconds, edge)
    except PetioleError:  # it has begun, whatever fails from here on
        return record, {}
