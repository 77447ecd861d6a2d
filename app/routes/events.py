"""The stream of one task."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app import sse
from app.deps import TheEdge
from app.errors import documented
from app.histories import History
from app.preferences import takes_stream
from app.routes.tasks import After, TaskId, read_history
from app.streaming import TaskStream, begun

router = APIRouter(prefix="/v1/tasks")
LastEventId = Annotated[
    str,
    Header(alias="Last-Event-ID", pattern="^[0-9]{0,15}$", description="Set by EventSource when it returns."),
]
_EXAMPLE = """retry: 2000

id: 4
event: progress
data: {"task_id":"c2a9…","seq":4,"status":"running","attempt":1,"progress":{"current":40,"total":100},"time":"…Z"}

: keep-alive

id: 5
event: succeeded
data: {"task_id":"c2a9…","seq":5,"status":"succeeded","attempt":1,"result":{"rows":344},"final":true,"time":"…Z"}

"""


@router.get(
    "/{task_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "model": History,
            "description": "A stream of updates, numbered from 1; or those that there are as JSON, by `Accept`.",
            "content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}, "application/json": {}},
        },
        204: {"description": "The client has every update, and the task has ended: nothing will follow."},
        **documented(404, 410, 422, 503),
    },
    tags=["streams"],
    summary="Follow a task by server-sent events",
)
async def follow_task(
    request: Request, task_id: TaskId, edge: TheEdge, after: After = 0, last_event_id: LastEventId = ""
) -> Response:
    """Every update of the task as it happens, first those that were missed.

    - `event` is a status (`submitted`, `scheduled`, `received`, `running`, `retrying`, and the ends `succeeded`,
      `failed`, `cancelled`, `expired`, `rejected`, `lost`), or what the task says (`progress`, `output`, `log`), or
      `reset` or `closing`.
    - `id` is the update's number: every number once, rising, without a gap, whatever dies in between.
    - A client that returns with `Last-Event-ID`, to any replica, gets exactly what it missed. `?after=` is the same for
      a client that cannot set headers; the header counts where both are given.
    - After an end the stream closes; coming back then answers 204, which stops an `EventSource`.
    - `reset` carries the whole task when older updates are not kept any more; `closing` says that this server stops.
    - `Accept: application/json` answers the updates that there are, as `/history` does, also with its `reset`.
    - Silence is broken by a comment every 15 seconds or less.

    *Try it out* shows the stream once the task has ended; `curl -N` shows it as it happens.
    """
    position = int(last_event_id) if last_event_id else after
    if not takes_stream(request.headers.raw):
        return await read_history(task_id, edge.client, position)
    return await begun(TaskStream(edge, task_id, position))
