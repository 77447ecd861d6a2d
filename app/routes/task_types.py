"""The task types that the workers announced, and submits that are checked against them."""

from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel, BeforeValidator, Field

from app.answers import ACCEPTED, ENDED_IN_TIME, PARAMETERS, answer, record_of
from app.body import StrictJsonRoute
from app.deps import TheClient, TheEdge
from app.errors import Problem, ProblemRaised, documented, payload_invalid
from app.payloads import complaints
from app.schemas import TaskOptions, TaskRequest, TaskResource
from app.submit_headers import submit_options
from app.typed_operations import path_of
from app.validators import matches
from bridge.errors import InvalidMessage
from bridge.protocol.catalog import NAME_LIMIT, Catalog, TaskType
from bridge.protocol.compact import compact

router = APIRouter(prefix="/v1/task-types", route_class=StrictJsonRoute, tags=["task types"])
submits = APIRouter(prefix="/v1/task-types", route_class=StrictJsonRoute, tags=["task types"])
"""Apart, since it is called more often than what is matched between the two."""
Name = Annotated[str, Path(max_length=NAME_LIMIT, description="The name of the task, as its worker has it.")]
IfNoneMatch = Annotated[str | None, Header(description="The `ETag` of what the client has.")]
UNCHANGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "Changes with the task types.", "schema": {"type": "string"}}}},
    304: {"description": "Nothing has changed since that `ETag`."},
}


def _object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object, sent as Content-Type: application/json")
    return value


Payload = Annotated[dict[str, Any], BeforeValidator(_object)]


class TaskTypeResource(BaseModel):
    """What the workers said of a task type."""

    name: str
    announced: bool = Field(description="False for a type of which only the name is known.")
    doc: str
    schema_: dict[str, Any] | None = Field(
        alias="schema", description="JSON Schema (2020-12) of the parameters; null when none was announced."
    )
    queue: str | None = Field(description="Where it is sent; null for the default queue.")
    retry: dict[str, Any] | None = Field(description="`max_retries` (null: without end) and what else the task has.")
    time_limit: float | None = Field(description="The process that runs the task is killed after so many seconds.")
    soft_time_limit: float | None = Field(description="The task is told to stop after so many seconds.")
    links: dict[str, str] = Field(description="`submit`: where to post the parameters.")

    @classmethod
    def of(cls, known: TaskType) -> "TaskTypeResource":
        """From what the bridge knows."""
        path = path_of(known)
        return cls(
            name=known.name,
            announced=known.announced,
            doc=known.doc,
            schema=known.schema,
            queue=known.queue,
            retry=None if known.retry is None else dict(known.retry),
            time_limit=known.time_limit,
            soft_time_limit=known.soft_time_limit,
            links={"self": path.removesuffix("/tasks"), "submit": path} if path else {},
        )


class TaskTypes(BaseModel):
    """All task types that the workers have, by name."""

    task_types: list[TaskTypeResource]


def _answer(content: BaseModel, catalog: Catalog) -> Response:
    body = compact(content.model_dump(by_alias=True)).encode(errors="replace")
    return Response(body, 200, _headers(catalog), "application/json")


def _headers(catalog: Catalog) -> dict[str, str]:
    return {"ETag": f'"{catalog.tag}"', "Cache-Control": "no-cache"}


def _is_known(catalog: Catalog, if_none_match: str | None) -> bool:
    return matches(if_none_match, f'"{catalog.tag}"')


def _unknown(name: str, status: int) -> ProblemRaised:
    detail = f"No worker that runs has a task of the name {name!r}. GET /v1/task-types lists those that there are."
    return ProblemRaised(Problem(type="unknown-task-type", status=status, detail=detail))


@router.get(
    "", response_model=TaskTypes, responses=UNCHANGED | documented(422, 503), summary="The task types that there are"
)
async def read_task_types(client: TheClient, if_none_match: IfNoneMatch = None) -> Response:
    """What the workers that run now announced. Of those that announce nothing, the names are known after a while."""
    catalog = await client.task_types()
    if _is_known(catalog, if_none_match):
        return Response(status_code=304, headers=_headers(catalog))
    return _answer(TaskTypes(task_types=[TaskTypeResource.of(one) for one in catalog.types.values()]), catalog)


@router.get(
    "/{name}",
    response_model=TaskTypeResource,
    responses=UNCHANGED | documented(404, 422, 503),
    summary="One task type",
)
async def read_task_type(name: Name, client: TheClient, if_none_match: IfNoneMatch = None) -> Response:
    """What was announced of it. 404 when no worker that runs now has it."""
    catalog = await client.task_types()
    if name not in catalog.types:
        raise _unknown(name, 404)
    if _is_known(catalog, if_none_match):
        return Response(status_code=304, headers=_headers(catalog))
    return _answer(TaskTypeResource.of(catalog.types[name]), catalog)


@lru_cache(1_024)
def _options(queue: str | None) -> TaskOptions:
    """Of all that goes to one queue; they are only read, and to fill in what was not given takes as long as a check."""
    return TaskOptions.model_construct(queue=queue)


@submits.post(
    "/{name}/tasks",
    status_code=202,
    response_model=TaskResource,
    responses={200: ENDED_IN_TIME, 202: ACCEPTED, **documented(409, 413, 422, 503)},
    summary="Submit a task of a type",
    openapi_extra={"parameters": PARAMETERS},
)
async def submit_of_type(name: Name, request: Request, payload: Payload, edge: TheEdge) -> Response:
    """The body has the task's own parameters, by name. What does not fit the schema that its workers announced is
    answered 422, and nothing is queued.

    422 `unknown-task-type` when no worker that runs now has the task; `POST /v1/tasks` takes any name.
    """
    known = (await edge.client.task_types()).types.get(name)
    if known is None:
        raise _unknown(name, 422)
    if wrong := complaints(known, payload):
        raise ProblemRaised(payload_invalid(wrong))
    options = _options(known.queue)
    given = submit_options(request, options.to_bridge())
    submit = TaskRequest.model_construct(task=name, args=[], kwargs=payload, options=options)
    try:
        handle = await edge.client.submit(name, (), payload, **given)
    except InvalidMessage as error:
        pointer = error.pointer.removeprefix("/kwargs")
        raise ProblemRaised(payload_invalid([{"pointer": pointer, "detail": error.reason, "in": "body"}])) from error
    record = await record_of(handle, submit, edge)
    return await answer(record, request, edge, replayed=handle.replayed)
