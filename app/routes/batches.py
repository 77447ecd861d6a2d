"""Submitting many tasks in one request."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from app.answers import ASK_AGAIN
from app.auth import caller_of
from app.batch_items import Item, ItemReader, Refused, too_many
from app.body import read_bytes_as
from app.deps import TheEdge
from app.errors import FieldError, Problem, ProblemRaised, documented, payload_invalid, problem_of
from app.idempotency import DOCUMENTED, PARAMETERS, idempotency_key, replayed_header
from app.keyed_batches import Submitted, claimed_batch
from app.response_headers import described
from app.trace_context import trace_headers
from bridge import TaskClient, TaskHandle
from bridge.errors import HeldBack, PetioleError
from bridge.protocol.compact import compact
from bridge.protocol.values import MAX_TAG, MAX_TAGS

PATH = "/v1/batches"
router = APIRouter()
Tag = Annotated[StrictStr, Field(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[
    list[Tag], Query(default_factory=list, max_length=MAX_TAGS, description="Added to the tags of each item.")
]
Atomic = Annotated[bool, Query(description="Queue all items, or none.")]


class BatchRequest(BaseModel):
    """Tasks to run."""

    model_config = ConfigDict(extra="forbid")

    items: list[Any] = Field(min_length=1)
    atomic: StrictBool = Field(False, description="Queue all items, or none.")
    tags: list[Tag] = Field([], max_length=MAX_TAGS, description="Added to the tags of each item.")


class ItemError(BaseModel):
    """Why an item was not accepted: a problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(None, description="The pointers lead into the item.")


class ItemOutcome(BaseModel):
    """What became of an item: it has a `task_id`, or an `error`."""

    index: int = Field(description="Its place among the items, from 0.")
    task_id: str | None = None
    error: ItemError | None = None


class BatchAccepted(BaseModel):
    """What became of a batch."""

    batch_id: str
    accepted: int
    refused: int
    items: list[ItemOutcome]
    links: dict[str, str] = Field(description="`tasks` lists the batch, `events` follows it, from before the first.")


_EXAMPLE = {"items": [{"task": "workers.tasks.heavy_task", "kwargs": {"data": "sample payload"}}], "atomic": False}
_ITEMS = {"items": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/TaskRequest"}}}
_SCHEMA = BatchRequest.model_json_schema() | {"examples": [_EXAMPLE]}
_SCHEMA["properties"] |= _ITEMS
_WHERE = {
    "Location": {"description": "The list of its tasks.", "schema": {"type": "string"}},
    "Link": {"description": 'Their stream of events: `<…>; rel="monitor"`.', "schema": {"type": "string"}},
    **described(*ASK_AGAIN),
    **DOCUMENTED,
}
_LINES = '{"task":"workers.tasks.heavy_task","args":["one"]}\n{"task":"workers.tasks.heavy_task","args":["two"]}\n'
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": _SCHEMA},
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "An item in each line; `atomic` and `tags` by the query."},
            "example": _LINES,
        },
    },
}


@router.post(
    PATH,
    status_code=202,
    response_model=BatchAccepted,
    responses={202: {"headers": _WHERE}, **documented(413, 422, 503)},
    tags=["submit"],
    summary="Submit many tasks",
    openapi_extra={"requestBody": _BODY, "parameters": PARAMETERS},
)
async def submit_batch(request: Request, edge: TheEdge, tags: Tags, atomic: Atomic = False) -> Response:
    """Queue up to 10,000 tasks, each with an outcome of its own.

    As `application/json`, or as `application/x-ndjson` with an item in each line: then items are queued while the body
    still comes in, and those that were are, also when the connection breaks.

    With `atomic` all are queued, or none: then the answer is 422 `batch-refused` (503, if trying again will do), with
    the items that were refused. Redis does nothing else while it takes an atomic batch: 0.3 seconds for 10,000 items.

    With an `Idempotency-Key` sending a batch again, also one that was not answered, queues what is missing, and answers
    the links of the first. Another batch with the key is answered 422 `idempotency-key-reused` and queues nothing; one
    in lines is queued up to the first that differs from those before, or is one more. A batch of which nothing was
    queued does not use its key.

    `links.events` follows all tasks of the batch from the first update on. It stays open when all have ended.
    """
    key = idempotency_key(request)
    reader = ItemReader(
        most=edge.settings.max_batch,
        most_bytes=edge.settings.max_body_bytes,
        tags=tags,
        trace=trace_headers(request.headers),
    )
    items, atomic = await _items(request, reader, atomic=atomic)
    batch_id = _batch_id(caller_of(request.scope).owner, key)
    told, cursor, replayed = await _submitted(edge.client, items, batch_id, key=key, atomic=atomic)
    if not told:
        raise ProblemRaised(payload_invalid([{"pointer": "", "detail": "has no items", "in": "body"}]))
    errors = {index: one for index, one in enumerate(told) if isinstance(one, PetioleError)}
    if atomic and errors:
        raise ProblemRaised(_none_queued(errors))
    links = {
        "tasks": f"/v1/tasks?batch={batch_id}",
        "events": f"/v1/events?batch={batch_id}" + (f"&after={quote(cursor)}" if cursor else ""),
    }
    headers = {"Location": links["tasks"], "Link": f'<{links["events"]}>; rel="monitor"'}
    headers |= ASK_AGAIN | replayed_header(replayed=replayed)
    return Response(_body(batch_id, told, links), 202, headers, "application/json")


async def _items(
    request: Request, reader: ItemReader, *, atomic: bool
) -> tuple[Iterable[Item] | AsyncIterable[Item], bool]:
    media_type = request.headers.get("content-type", "")
    if "ndjson" in media_type:
        return reader.of_lines(request), atomic
    if "json" not in media_type:
        raise RequestValidationError([{"type": "model_attributes_type", "loc": ("body",), "msg": "", "ctx": {}}])
    body = read_bytes_as(BatchRequest, await request.body())
    if len(body.items) > reader.most:
        raise ProblemRaised(too_many(reader.most))
    reader = replace(reader, tags=[*reader.tags, *body.tags])
    return reader.of_values(body.items), atomic or body.atomic


async def _submitted(
    client: TaskClient, items: Iterable[Item] | AsyncIterable[Item], batch_id: str, *, key: str | None, atomic: bool
) -> Submitted:
    cursor = await client.feed.end()
    if key is None:
        told = await client.submit_many(items, return_exceptions=True, batch=batch_id, atomic=atomic)
        return Submitted(told, cursor)
    batch = await claimed_batch(client, key, items, cursor)
    return await batch.submit(batch_id, atomic=atomic)


def _batch_id(owner: str, key: str | None) -> str:
    """The same for a batch that is sent again."""
    if key is None:
        return str(uuid4())
    return str(UUID(bytes=sha256(f"{owner} {key}".encode()).digest()[:16], version=4))


def _body(batch_id: str, told: Sequence[TaskHandle | PetioleError], links: Mapping[str, str]) -> str:
    items = ",".join([_outcome(index, one) for index, one in enumerate(told)])
    accepted = sum(isinstance(one, TaskHandle) for one in told)
    head = {"batch_id": batch_id, "accepted": accepted, "refused": len(told) - accepted, "links": links}
    return f'{compact(head)[:-1]},"items":[{items}]}}'


def _outcome(index: int, told: TaskHandle | PetioleError) -> str:
    if isinstance(told, TaskHandle):
        return f'{{"index":{index},"task_id":"{told.task_id}"}}'  # no id has a character that JSON would escape
    return compact({"index": index, "error": _problem(told).fields()})


def _problem(error: PetioleError) -> Problem:
    return error.problem if isinstance(error, Refused) else problem_of(error)


def _none_queued(errors: dict[int, PetioleError]) -> Problem:
    problems = {index: _problem(error) for index, error in errors.items() if not isinstance(error, HeldBack)}
    later = all(problem.status == 503 for problem in problems.values())
    return Problem(
        type="batch-refused",
        status=503 if later else 422,
        detail=f"No task was queued, since {len(problems)} were refused.",
        more={"items": [{"index": index, "error": problem.fields()} for index, problem in problems.items()]},
        headers={"Retry-After": "5"} if later else {},
    )
