"""How a submit is answered: at once; with the task once it has ended (`Prefer: wait`); with its stream (`Accept`)."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response

from app import idempotency, sse
from app.accepted import accepted, as_accepted
from app.auth import caller_of
from app.deps import Edge
from app.errors import ProblemRaised
from app.idempotency import replayed_header
from app.preferences import PREFER, Wish, wish
from app.response_headers import described
from app.schemas import POLL_AFTER_MS, TaskRequest, TaskResource, now_ms, task_path
from app.streaming import TaskStream, begun
from app.waiting import end_within
from bridge import TaskHandle, TaskRecord
from bridge.access.api_keys import Scope
from bridge.errors import PetioleError

logger = logging.getLogger(__name__)
PARAMETERS = [*idempotency.PARAMETERS, PREFER]
"""The headers of a submit, as OpenAPI describes them: for the `openapi_extra` of its route."""
ASK_AGAIN = {"Retry-After": str(max(1, POLL_AFTER_MS // 1000))}
"""The header of a 202 that says when to look whether it has ended."""
PLACE = described("Location", "Link", "Preference-Applied") | idempotency.DOCUMENTED
"""The headers of every answer to a submit, as OpenAPI describes them."""
WHERE = PLACE | described(*ASK_AGAIN)
"""The same of a 202."""
ACCEPTED: dict[str, Any] = {
    "description": "Accepted: the task is queued and recorded. With `Accept: text/event-stream` its stream at once, as "
    "`GET /v1/tasks/{task_id}/events` has it; with API keys that needs the scope `read` as well.",
    "content": {"application/json": {}, sse.MEDIA_TYPE: {"schema": {"type": "string"}}},
    "headers": WHERE,
}
"""The 202 of a submit, as OpenAPI describes it."""
ENDED_IN_TIME: dict[str, Any] = {
    "model": TaskResource,
    "description": "With `Prefer: wait=N`: the task ended in time.",
    "headers": PLACE,
}
Tell = Callable[[TaskRecord], str]
"""The body of a 202."""


def where(task_id: str, *, replayed: bool = False) -> dict[str, str]:
    """The headers that say where an accepted task is, where it can be followed, and when to look again.

    `replayed`: it was there before.
    """
    path = task_path(task_id)
    place = {"Location": path, "Link": f'<{path}/events>; rel="monitor"'}
    return {**place, **ASK_AGAIN, **replayed_header(replayed=replayed)}


def applied(seconds: int, edge: Edge) -> dict[str, str]:
    """The header that says how long a wait of so many seconds was at the most."""
    return {"Preference-Applied": f"wait={int(min(seconds, edge.settings.max_wait))}"}


async def record_of(handle: TaskHandle, request: TaskRequest, edge: Edge) -> TaskRecord:
    """What was accepted: as it is at that moment, or what has become of it when it was accepted before."""
    if handle.replayed:
        try:
            return await edge.client.record(handle.task_id)
        except PetioleError as error:
            _log(handle.task_id, error)
    return accepted(handle, request, edge.settings, now_ms())


def resource(record: TaskRecord) -> str:
    """The task, as JSON."""
    return TaskResource.of(record, now_ms()).model_dump_json()


async def answer(
    record: TaskRecord, request: Request, edge: Edge, *, replayed: bool = False, tell: Tell = resource
) -> Response:
    """The answer to a submit that was accepted, now or, when it is `replayed`, before.

    Whatever fails from here on, the client learns of its task. Who may not read is told nothing that came later.
    """
    headers = where(record.task_id, replayed=replayed)
    asked = wish(request.headers.raw)
    try:
        if asked:
            return await _as_asked(asked, record, headers, edge, tell)
    except (PetioleError, ProblemRaised) as error:
        _log(record.task_id, error)
    if Scope.READ not in caller_of(request.scope).scopes:
        record = as_accepted(record, edge.settings, now_ms())
    return Response(tell(record), 202, headers, "application/json")


async def _as_asked(asked: Wish, record: TaskRecord, headers: Mapping[str, str], edge: Edge, tell: Tell) -> Response:
    if asked.wait is None:
        return await begun(TaskStream(edge, record.task_id, 0), 202, headers)
    record = await end_within(asked.wait, record, edge)
    headers = {**headers, **applied(asked.wait, edge)}
    if not record.final:
        return Response(tell(record), 202, headers, "application/json")
    ended = {name: value for name, value in headers.items() if name not in ASK_AGAIN}
    return Response(resource(record), 200, ended, "application/json")


def _log(task_id: str, error: Exception) -> None:
    logger.warning("task %s was accepted, but cannot be followed: %s", task_id, error)
