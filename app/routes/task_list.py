"""Listing tasks."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.cursors import MAX_CURSOR, opened, sealed
from app.deps import TheEdge
from app.errors import documented
from app.schemas import TaskResource, Time, now_ms
from bridge.protocol.clock import milliseconds
from bridge.protocol.state import Status
from bridge.records.task_list import FOR_EVER, PAGE, START, Cursor, TaskFilter

router = APIRouter(prefix="/v1/tasks")
MAX_PAGE = 1_000
MAX_VALUES = 32
Name = Annotated[str | None, Query(max_length=255)]
Moment = Annotated[Time | None, Query(description="With its UTC offset, like 2026-01-31T12:00:00Z.")]


class TaskPage(BaseModel):
    """Tasks, the newest first."""

    tasks: list[TaskResource]
    next: str | None = Field(description="Where it goes on; null at the end. A page may be short, or empty, before it.")


@router.get(
    "",
    response_model=TaskPage,
    responses={
        200: {"headers": {"Link": {"description": '`<…>; rel="next"`, as `next`.', "schema": {"type": "string"}}}},
        **documented(422, 503),
    },
    tags=["tasks"],
    summary="Tasks, the newest first",
)
async def list_tasks(
    request: Request,
    edge: TheEdge,
    status: Annotated[list[Status], Query(default_factory=list, max_length=MAX_VALUES)],
    tag: Annotated[list[str], Query(default_factory=list, max_length=MAX_VALUES)],
    type: Name = None,  # noqa: A002  # the name of the parameter in the interface
    queue: Name = None,
    batch: Name = None,
    submitted_from: Moment = None,
    submitted_before: Moment = None,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR, description="From `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
) -> Response:
    """A page of the tasks that fit all that is given; of several `status` one must fit, of several `tag` all.

    The cursor stays right while tasks come and go: none comes twice, and none is left out that was there when the first
    page was read and still is.
    """
    which = TaskFilter(
        statuses=status,
        task=type,
        queue=queue,
        batch=batch,
        tags=tag,
        submitted_from=milliseconds(submitted_from) if submitted_from else 0,
        submitted_before=milliseconds(submitted_before) if submitted_before else FOR_EVER,
    )
    page = await edge.client.tasks.page(which, opened(cursor) if cursor else START, limit=limit)
    following = _following(request, page.next) if page.next else None
    now = now_ms()
    body = TaskPage(tasks=[TaskResource.of(record, now) for record in page.tasks], next=following)
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    return Response(body.model_dump_json(), 200, headers, "application/json")


def _following(request: Request, cursor: Cursor) -> str:
    """The address of the page after this one."""
    asked: list[tuple[str, Any]] = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
    return f"{request.url.path}?{urlencode([*asked, ('cursor', sealed(cursor))])}"
