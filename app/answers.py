"""How a submit is answered: at once; with the task once it has ended (`Prefer: wait`); with its stream (`Accept`)."""

import logging
import re
from dataclasses import replace

from fastapi import Request, Response

from app import sse
from app.deps import Edge
from app.errors import ProblemRaised
from app.idempotency import DOCUMENTED, replayed_header
from app.schemas import TaskResource, now_ms, task_path
from app.streaming import TaskStream, begun
from app.waiting import end_within
from bridge import TaskRecord
from bridge.errors import PetioleError

logger = logging.getLogger(__name__)
WHERE = {
    "Location": {"description": "The task.", "schema": {"type": "string"}},
    "Link": {"description": 'Its stream of events: `<…/events>; rel="monitor"`.', "schema": {"type": "string"}},
    **DOCUMENTED,
}
"""The headers of every answer to a submit, as OpenAPI describes them."""
ENDED_IN_TIME = {
    "model": TaskResource,
    "description": "With `Prefer: wait=N`: the task ended in time.",
    "headers": {"Preference-Applied": {"description": "`wait=N`", "schema": {"type": "string"}}, **WHERE},
}
_WAIT = re.compile(r"""(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?=[,;]|$)""", re.IGNORECASE)


def where(task_id: str, *, replayed: bool = False) -> dict[str, str]:
    """The headers that say where an accepted task is and where it can be followed; `replayed`: it was there before."""
    path = task_path(task_id)
    return {"Location": path, "Link": f'<{path}/events>; rel="monitor"', **replayed_header(replayed=replayed)}


def preferred_wait(prefer: str) -> int | None:
    """The seconds of `wait` in a `Prefer` header (RFC 7240); None when there is none that can be read."""
    found = _WAIT.search(prefer)
    return int(found[1]) if found else None


async def answer(record: TaskRecord, request: Request, edge: Edge, *, replayed: bool = False) -> Response:
    """The answer to a submit that was accepted, now or, when it is `replayed`, before.

    Whatever fails from here on, the client learns of its task.
    """
    headers = where(record.task_id, replayed=replayed)
    if replayed:
        record = replace(record, submitted_at=None)
    try:
        if sse.MEDIA_TYPE in request.headers.get("accept", ""):
            return await begun(TaskStream(edge, record.task_id, 0), 202, headers)
        seconds = preferred_wait(", ".join(request.headers.getlist("prefer")))
        if seconds is not None:
            headers_of_waiting = {**headers, "Preference-Applied": f"wait={seconds}"}
            return _resource(await end_within(seconds, record, edge), headers_of_waiting)
    except (PetioleError, ProblemRaised) as error:
        logger.warning("task %s was accepted, but cannot be followed: %s", record.task_id, error)
    return _resource(record, headers)


def _resource(record: TaskRecord, headers: dict[str, str]) -> Response:
    body = TaskResource.of(record, now_ms()).model_dump_json()
    return Response(body, 200 if record.final else 202, headers, "application/json")
