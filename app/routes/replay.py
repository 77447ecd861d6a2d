"""Running a task again."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.answers import ACCEPTED, ENDED_IN_TIME, PARAMETERS, answer
from app.body import StrictJsonRoute
from app.deps import Edge, TheEdge
from app.errors import documented
from app.idempotency import idempotency_key
from app.routes.tasks import TaskId
from app.schemas import TaskOptions, TaskResource
from bridge import Call, TaskRecord
from bridge.errors import PetioleError
from bridge.protocol.state import Status
from bridge.submit.acceptance import Replayed

router = APIRouter(prefix="/v1/tasks", route_class=StrictJsonRoute)


class ReplayRequest(BaseModel):
    """What is to be another this time. What is not given stays as it was."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    args: list[Any] | None = Field(None, description="In the place of all positional arguments.")
    kwargs: dict[str, Any] | None = Field(None, description="In the place of all keyword arguments.")
    options: TaskOptions = Field(
        default_factory=TaskOptions,
        description="`queue`, `priority`, `countdown`, `eta`, `expires`, `time_limit`, `soft_time_limit`, `task_id`, "
        "`tags`. A delay or an expiry of the first task is not repeated.",
    )

    def changes(self) -> Call:
        """In the bridge's words."""
        options: Any = self.options.model_dump(exclude_unset=True, exclude_none=True)
        return Call("", self.args, self.kwargs, options)


@router.post(
    "/{task_id}/replay",
    status_code=202,
    response_model=TaskResource,
    responses={200: ENDED_IN_TIME, 202: ACCEPTED, **documented(404, 409, 410, 413, 422, 503)},
    tags=["tasks"],
    summary="Run a task again",
    openapi_extra={"parameters": PARAMETERS},
)
async def replay_task(request: Request, task_id: TaskId, edge: TheEdge, body: ReplayRequest | None = None) -> Response:
    """Queue a new task with the message that was stored with this one, byte by byte; its `replay_of` names this one.

    The message is kept until a task has succeeded: 409 `payload-gone` after that, and for tasks that were not submitted
    here. With an `Idempotency-Key` this can safely be sent again: it answers the first new task then, also when the
    message is not kept any more. With a `task_id` in the options it answers 409 `task-exists`.
    """
    changes, key, replays = (body or ReplayRequest()).changes(), idempotency_key(request), edge.client.replays
    told = await (replays.replay_once(task_id, key, changes) if key else replays.replay(task_id, changes))
    new_id, replayed = (told.task_id, True) if isinstance(told, Replayed) else (told, False)
    return await answer(await _record(new_id, task_id, edge), request, edge, replayed=replayed)


async def _record(new_id: str, task_id: str, edge: Edge) -> TaskRecord:
    """The new task. Whatever fails from here on, the client learns of it."""
    try:
        return await edge.client.record(new_id)
    except PetioleError:
        return TaskRecord(
            task_id=new_id, status=Status.SUBMITTED, celery_state="PENDING", attempt=1, seq=1, replay_of=task_id
        )
