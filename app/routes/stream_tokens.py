"""Tokens for who can send no headers: a browser's EventSource."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from app.auth import caller_of
from app.body import StrictJsonRoute
from app.deps import TheEdge
from app.errors import ProblemRaised, documented, payload_invalid
from bridge.access.stream_tokens import MAX_LENGTH
from bridge.protocol.clock import iso

router = APIRouter(prefix="/v1/stream-tokens", route_class=StrictJsonRoute)
MAX_VALUES = 100
DEFAULT_SECONDS = 300
Values = Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=255)]], Field(max_length=MAX_VALUES)]


class StreamTokenRequest(BaseModel):
    """Which tasks the token lets follow: each of these that is given must have what the task has."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"task": ["c2a9c7f0-0000-4000-8000-000000000000"], "ttl": 300}]}
    )

    task: Values = Field([], description="Ids of tasks.")
    batch: Values = Field([], description="Ids of batches.")
    tag: Values = Field([], description="Tags.")
    queue: Values = Field([], description="Queues.")
    type: Values = Field([], description="Names of task types.")
    ttl: StrictInt = Field(
        DEFAULT_SECONDS, ge=1, description="Seconds it is good for; the server has a limit, and a longer one is cut."
    )


class StreamTokenAnswer(BaseModel):
    """A token, shown once."""

    token: str = Field(description="For `?token=` of an event stream.")
    expires_at: str = Field(description="Until when a stream may be begun, or taken up again, with it.")


@router.post(
    "",
    status_code=201,
    response_model=StreamTokenAnswer,
    responses=documented(413, 422, 503),
    tags=["streams"],
    summary="A short-lived token to follow some tasks with",
)
async def create_stream_token(request: Request, body: StreamTokenRequest, edge: TheEdge) -> StreamTokenAnswer:
    """For a browser: its `EventSource` cannot send an API key, and a key does not belong into an address.

    The token opens `GET /v1/tasks/{task_id}/events` for the tasks in `task`, and `GET /v1/events` with exactly what was
    asked for here; without any of it, all tasks of the key's owner. It may be used until it expires, so that an
    `EventSource` that lost its connection comes back with it. It ends at once with the key that made it.
    """
    selected = {name: values for name, values in body if name != "ttl" and values}
    seconds = min(body.ttl, edge.settings.max_stream_token_ttl)
    token = await edge.entrance.doorkeeper.stream_token(caller_of(request.scope), selected, seconds)
    if len(token.text) > MAX_LENGTH:
        raise ProblemRaised(payload_invalid([{"pointer": "", "detail": _TOO_LONG, "in": "body"}]))
    return StreamTokenAnswer(token=token.text, expires_at=iso(token.expires_at * 1000))


_TOO_LONG = "selects so much that its token would not fit into an address; name a tag or a batch instead of tasks"
