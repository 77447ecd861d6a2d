"""Cancelling and replaying many tasks at once, by the filters of the list."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from app.body import StrictJsonRoute
from app.cursors import MAX_CURSOR, opened, sealed
from app.deps import TheClient
from app.errors import documented, problem_of
from app.idempotency import DOCUMENTED, PARAMETERS, idempotency_key, replayed_header
from app.schemas import CancelRequest, Signal, Time, now_ms
from bridge import TaskClient, TaskRecord
from bridge.errors import BrokerUnavailable, PetioleError
from bridge.protocol.clock import milliseconds
from bridge.protocol.state import ENDS, Status
from bridge.records.task_list import FOR_EVER, START, TaskFilter, TaskPage
from bridge.submit.acceptance import Outcome, Replayed
from bridge.submit.idempotency import digest_of

router = APIRouter(prefix="/v1/tasks", route_class=StrictJsonRoute)
MOST = 1_000
"""Tasks that one call is about."""
AT_ONCE = 100
"""Tasks that are cancelled at the same time."""
MAX_VALUES = 32
OPEN = [status for status in Status if status not in ENDS]
UNSUCCESSFUL = [status for status in Status if status in ENDS and status is not Status.SUCCEEDED]
_CLOSED = ConfigDict(extra="forbid")
Name = Annotated[StrictStr | None, Field(max_length=255)]


class BulkFilter(BaseModel):
    """Which tasks, as in `GET /v1/tasks`: of several `status` one must fit, of several `tag` all."""

    model_config = _CLOSED

    status: list[Status] = Field([], max_length=MAX_VALUES)
    type: Name = None
    queue: Name = None
    batch: Name = None
    tag: list[StrictStr] = Field([], max_length=MAX_VALUES)
    submitted_from: Time | None = None
    submitted_before: Time | None = None

    def to_bridge(self, statuses: Sequence[Status]) -> TaskFilter:
        """In the bridge's words; `statuses` are meant when none is given."""
        return TaskFilter(
            statuses=self.status or statuses,
            task=self.type,
            queue=self.queue,
            batch=self.batch,
            tags=self.tag,
            submitted_from=milliseconds(self.submitted_from) if self.submitted_from else 0,
            submitted_before=milliseconds(self.submitted_before) if self.submitted_before else FOR_EVER,
        )


class BulkReplay(BaseModel):
    """Which tasks to replay. Without a `status` in the filter: those that ended, but did not succeed."""

    model_config = _CLOSED

    filter: BulkFilter
    dry_run: StrictBool = Field(False, description="Only tell which tasks it would be.")
    limit: StrictInt = Field(MOST, ge=1, le=MOST, description="Tasks that one call is about.")
    cursor: StrictStr | None = Field(None, max_length=MAX_CURSOR, description="From `next` of the call before.")

    async def page(self, client: TaskClient, statuses: Sequence[Status], before: int = FOR_EVER) -> TaskPage:
        """The tasks that this call is about; none that was submitted at the time `before` or later."""
        after = opened(self.cursor, "body") if self.cursor else START
        which = self.filter.to_bridge(statuses)
        which = replace(which, submitted_before=min(before, which.submitted_before))
        return await client.tasks.page(which, after, limit=self.limit)


class BulkCancel(BulkReplay):
    """Which tasks to cancel, and how. Without a `status` in the filter: those that have not ended."""

    terminate: StrictBool = Field(False, description="End the processes that run them.")
    signal: Signal = Field("SIGTERM", description="What to end them with.")
    reason: StrictStr = Field("", max_length=500, description="Why; kept with the tasks.")


class BulkOutcome(BaseModel):
    """What became of one task."""

    task_id: str
    outcome: str | None = Field(None, description="Null in a dry run.")
    replayed_as: str | None = Field(None, description="The new task.")


class BulkOutcomes(BaseModel):
    """What became of the tasks of one call, the newest first."""

    dry_run: bool
    matched: int
    outcomes: dict[str, int] = Field(description="How many tasks there are of each outcome; none in a dry run.")
    tasks: list[BulkOutcome]
    next: str | None = Field(description="The `cursor` to go on with; null when there are no more.")


@router.post(
    "/cancel",
    status_code=202,
    response_model=BulkOutcomes,
    responses=documented(413, 422, 503),
    tags=["tasks"],
    summary="Cancel many tasks",
)
async def cancel_tasks(body: BulkCancel, client: TheClient) -> BulkOutcomes:
    """Cancel the tasks that fit all that is given, a thousand in a call: go on with `next` until it is null.

    Outcomes are those of cancelling one task, `never-ran` and `requested`, and for those that could not be cancelled
    the type of the problem: `task-ended` for one that ended just before.
    """
    page = await body.page(client, OPEN)
    if body.dry_run:
        return _outcomes(page, None)
    asked = CancelRequest(terminate=body.terminate, signal=body.signal, reason=body.reason)
    told: dict[str, BulkOutcome] = {}
    for at in range(0, len(page.tasks), AT_ONCE):
        some = page.tasks[at : at + AT_ONCE]
        for outcome in await asyncio.gather(*(_cancelled(record, asked, client) for record in some)):
            told[outcome.task_id] = outcome
    return _outcomes(page, told)


async def _cancelled(record: TaskRecord, asked: CancelRequest, client: TaskClient) -> BulkOutcome:
    try:
        outcome: str = await client.cancel(
            record.task_id, terminate=asked.terminate, signal=asked.signal, reason=asked.reason
        )
    except BrokerUnavailable:
        raise
    except PetioleError as error:
        outcome = problem_of(error).type
    return BulkOutcome(task_id=record.task_id, outcome=outcome)


@router.post(
    "/replay",
    status_code=202,
    response_model=BulkOutcomes,
    responses={202: {"headers": DOCUMENTED}, **documented(413, 422, 503)},
    tags=["tasks"],
    summary="Run many tasks again",
    openapi_extra={"parameters": PARAMETERS},
)
async def replay_tasks(request: Request, response: Response, body: BulkReplay, client: TheClient) -> BulkOutcomes:
    """Replay the tasks that fit all that is given, a thousand in a call: go on with `next` until it is null.

    Failed tasks are the dead letters of Celery: `GET /v1/tasks?status=failed` lists them with their `error`, and this
    runs them again. Outcomes are `replayed`, and the type of the problem for the others, as `payload-gone`.

    With an `Idempotency-Key` this can be sent again: what was replayed is answered as it was, what is missing is
    replayed, and tasks that were submitted since the first call are left out. Each page has a key of its own; a dry run
    uses none.
    """
    key = idempotency_key(request)
    if body.dry_run:
        return _outcomes(await body.page(client, UNSUCCESSFUL), None)
    if key is None:
        page = await body.page(client, UNSUCCESSFUL)
        return _replayed(page, await client.replays.replay_many(page.tasks))
    digest = f"replay:{digest_of(body.model_dump(mode='json'))}"
    claimed = await client.claims.claim(key, digest, str(now_ms()))
    page = await body.page(client, UNSUCCESSFUL, int(claimed.note))
    outcomes = await client.replays.replay_many(page.tasks, key=key)
    await client.claims.settle(claimed, digest, outcomes)
    response.headers.update(replayed_header(replayed=claimed.before and not any(map(_is_new, outcomes))))
    return _replayed(page, outcomes)


def _is_new(told: Outcome) -> bool:
    return isinstance(told, str)


def _replayed(page: TaskPage, outcomes: Sequence[Outcome]) -> BulkOutcomes:
    told = [_replay(record, outcome) for record, outcome in zip(page.tasks, outcomes, strict=True)]
    return _outcomes(page, {outcome.task_id: outcome for outcome in told})


def _replay(record: TaskRecord, told: Outcome) -> BulkOutcome:
    if isinstance(told, PetioleError):
        return BulkOutcome(task_id=record.task_id, outcome=problem_of(told).type)
    new_id = told.task_id if isinstance(told, Replayed) else told
    return BulkOutcome(task_id=record.task_id, outcome="replayed", replayed_as=new_id)


def _outcomes(page: TaskPage, told: Mapping[str, BulkOutcome] | None) -> BulkOutcomes:
    """The answer; None was `told` in a dry run."""
    tasks = [(told or {}).get(record.task_id) or BulkOutcome(task_id=record.task_id) for record in page.tasks]
    return BulkOutcomes(
        dry_run=told is None,
        matched=len(tasks),
        outcomes=dict(Counter(task.outcome for task in tasks if task.outcome)),
        tasks=tasks,
        next=sealed(page.next) if page.next else None,
    )
