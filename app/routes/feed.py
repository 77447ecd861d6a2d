"""The stream of many tasks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from app import sse
from app.deps import TheEdge
from app.errors import documented
from app.feed_streaming import FeedStream
from app.histories import FeedPage, feed_json
from app.preferences import takes_stream
from app.streaming import begun
from bridge.follow.feed_entry import CURSOR, Selection

router = APIRouter(prefix="/v1")
MAX_NAMES = 1_000
_CURSOR = f"^{CURSOR}$"
Names = Annotated[list[str], Query(default_factory=list, max_length=MAX_NAMES)]
Cursor = Annotated[str | None, Query(pattern=_CURSOR, description="Only what came after this place in the feed.")]
LastCursor = Annotated[
    str, Header(alias="Last-Event-ID", pattern=f"^$|{_CURSOR}", description="Set by EventSource when it returns.")
]
_EXAMPLE = """retry: 2000

id: 1769860800123-0
event: running
data: {"task_id":"c2a9…","seq":3,"status":"running","attempt":1,"time":"…Z"}

id: 1769860800124-0
event: succeeded
data: {"task_id":"77b0…","seq":5,"status":"succeeded","attempt":1,"result":{"rows":344},"final":true,"time":"…Z"}

"""


async def _selection(
    task: Names,
    batch: Names,
    tag: Names,
    queue: Names,
    type: Names,  # noqa: A002  # the name of the parameter in the interface
) -> Selection:
    return Selection(
        task_ids=frozenset(task),
        batches=frozenset(batch),
        tags=frozenset(tag),
        queues=frozenset(queue),
        tasks=frozenset(type),
    )


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "model": FeedPage,
            "description": "The updates of many tasks, in one order: as a stream, or as JSON by `Accept`.",
            "content": {sse.MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}, "application/json": {}},
        },
        204: {"description": "All tasks that were named have ended, and the client has every update."},
        **documented(404, 410, 422, 503),
    },
    tags=["streams"],
    summary="Follow many tasks on one connection",
)
async def follow_many(
    request: Request,
    edge: TheEdge,
    selection: Annotated[Selection, Depends(_selection)],
    after: Cursor = None,
    last_event_id: LastCursor = "",
) -> Response:
    """The updates of all tasks that fit: of each parameter that is given, a task must have one of the values.
    Without any it is every task.

    - `id` is the update's place in the feed of all updates, rising. A client that returns with `Last-Event-ID` or
      `?after=`, to any replica, gets exactly what it missed.
    - Without a place, when what came after it is not kept any more, and when the feed has not come to it, the stream
      begins with `reset`: one for each task that is named, with the whole task; else one that says where the tasks are
      listed. The last has the `id`.
    - When all tasks that are named have ended the stream closes, also when the rest of what is asked for does not fit
      them; coming back then answers 204. 404 when one of them is not known.
    - With `Accept: application/json` the answer is what there is now, and the `cursor` to ask again with; when `reset`
      is true, it has the tasks that are named as well.
    """
    cursor = last_event_id or after
    if takes_stream(request.headers.raw):
        return await begun(FeedStream(edge, selection, cursor))
    return Response(await feed_json(edge.client, selection, cursor), media_type="application/json")
