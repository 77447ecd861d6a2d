"""The bodies of requests and answers, and how they become the bridge's words and back."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import quote

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from bridge import SubmitOptions, TaskRecord
from bridge.protocol.clock import iso
from bridge.protocol.message import MIN_HARD_LIMIT
from bridge.protocol.state import Status

POLL_AFTER_MS = 2_000
"""How long a client that cannot follow the stream should wait before it asks again."""


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _text_only(value: object) -> object:
    if not isinstance(value, str) or not _DATE.match(value):  # pydantic would take digits for seconds since 1970
        raise ValueError("must be a text like 2026-01-31T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_text_only)]
MAX_SECONDS = 31_536_000
MAX_RETRIES = 1_000
RETRIES_HEADER = "max_retries"
Seconds = Annotated[StrictFloat, Field(ge=0, le=MAX_SECONDS)]
Limit = Annotated[StrictFloat, Field(gt=0, le=MAX_SECONDS)]
HardLimit = Annotated[StrictFloat, Field(ge=MIN_HARD_LIMIT, le=MAX_SECONDS)]


def _plainly(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError:  # it would name both arms of the union, and neither helps
        raise ValueError(f"must be a time like 2026-01-31T12:00:00Z, or 0 to {MAX_SECONDS} seconds") from None


TimeOrSeconds = Annotated[Time | Seconds, WrapValidator(_plainly)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SubmitRequest(_Request):
    """The first contract."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": "sample payload"}]})

    data: StrictStr = Field(description="What the default task works on.")


class Submitted(BaseModel):
    """The first contract's answer: these two keys and no others."""

    task_id: str
    status: str = Field("submitted", description="Always `submitted`.")


class TaskOptions(_Request):
    """How a task is to run, by the names of Celery's `apply_async`. Durations are seconds."""

    queue: StrictStr | None = Field(None, max_length=255, description="The default queue when not given.")
    priority: StrictInt = Field(0, ge=0, le=9, description="0 is served first, 9 last, as Celery has it on Redis.")
    countdown: Seconds | None = Field(None, description="Run no earlier than so long from now.")
    eta: Time | None = Field(None, description="Run no earlier than this time, with its UTC offset.")
    expires: TimeOrSeconds | None = Field(None, description="Do not start later than this time, or so long from now.")
    time_limit: HardLimit | None = Field(None, description="The process that runs the task is killed after so long.")
    soft_time_limit: Limit | None = Field(None, description="The task is told to stop after so long.")
    task_id: StrictStr | None = Field(None, min_length=1, max_length=255, description="Made for you when not given.")
    tags: list[StrictStr] = Field([], max_length=32, description="Your own labels, up to 128 characters each.")
    ignore_result: StrictBool | None = Field(None, description="Store no result; the task's own setting if not given.")
    shadow: StrictStr | None = Field(None, min_length=1, max_length=255, description="Name to be shown for it instead.")
    max_retries: StrictInt | None = Field(
        None,
        ge=0,
        le=MAX_RETRIES,
        description="The task finds it as `self.request.max_retries`. Petiole's `RetryingTask` retries no more often, "
        "any other task only if it passes that to `self.retry`.",
    )
    headers: dict[str, Any] | None = Field(None, description="Headers of the message, for the task to read.")
    stamps: dict[str, Any] | None = Field(None, description="Headers that stay with it, also when it is retried.")

    @field_validator("headers")
    @classmethod
    def _leave_the_option(cls, headers: dict[str, Any] | None) -> dict[str, Any] | None:
        if headers and RETRIES_HEADER in headers:
            raise ValueError(f"has {RETRIES_HEADER}, which is an option of its own")
        return headers

    def to_bridge(self) -> SubmitOptions:
        """The keyword arguments of the bridge's `submit`, which have the same names but for `max_retries`."""
        return cast("SubmitOptions", with_retries(dict(self)))


def with_retries(options: dict[str, Any]) -> dict[str, Any]:
    """The options with `max_retries` where a message has it: among its headers, which each attempt has."""
    most = options.pop("max_retries", None)
    return options if most is None else {**options, "headers": {**(options.get("headers") or {}), RETRIES_HEADER: most}}


_NO_OPTIONS = TaskOptions()


class TaskRequest(_Request):
    """A task to run: its name as the workers know it, and what to call it with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"task": "workers.tasks.heavy_task", "args": [], "kwargs": {"data": "sample payload"}, "options": {}}
            ]
        }
    )

    task: StrictStr = Field(min_length=1, max_length=255, description="For example `workers.tasks.heavy_task`.")
    # Not `[]` and `{}`, which pydantic copies deeply for each of the many tasks of a batch.
    args: list[Any] = Field(default_factory=list, description="Positional arguments, any JSON.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments, any JSON.")
    options: TaskOptions = Field(default_factory=lambda: _NO_OPTIONS)


Signal = Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGABRT", "SIGUSR1", "SIGKILL"]
"""Signals that end a task. Others would not, or would stop its process for ever, as SIGSTOP does."""


class CancelRequest(_Request):
    """How to cancel. Without `terminate` a task that runs already goes on."""

    terminate: bool = Field(False, strict=True, description="End the process that runs the task.")
    signal: Signal = Field("SIGTERM", description="What to end it with.")
    reason: StrictStr = Field("", max_length=500, description="Why; kept with the task.")


class Progress(BaseModel):
    """How far a task is, as it said itself."""

    model_config = ConfigDict(extra="allow")

    current: Any = Field(None, description="As a rule a number; no more is known, since any task says what it likes.")
    total: Any = None
    message: Any = None


class TaskError(BaseModel):
    """Why a task failed."""

    type: str
    message: str
    traceback: str | None = None


class TaskLinks(BaseModel):
    """Where to go from here."""

    model_config = ConfigDict(serialize_by_alias=True)

    self_: str = Field(alias="self")
    events: str
    history: str
    result: str
    cancel: str

    @classmethod
    def of(cls, task_id: str) -> Self:
        """The links of a task."""
        path = task_path(task_id)
        parts = ("events", "history", "result", "cancel")
        return cls.model_validate({"self": path, **{part: f"{path}/{part}" for part in parts}})


class TaskResource(BaseModel):
    """A task as it is now."""

    task_id: str
    task: str | None = Field(description="Null for a task of another producer whose name was not heard.")
    status: Status
    celery_state: str = Field(description="What Celery's AsyncResult and Flower call it.")
    attempt: int = Field(description="Counts from 1.")
    queue: str | None
    priority: int
    tags: list[str]
    batch_id: str | None = Field(description="The batch or workflow that it came with.")
    replay_of: str | None = Field(None, description="The task that it runs again.")
    progress: Progress | None
    submitted_at: str | None
    received_at: str | None
    started_at: str | None
    finished_at: str | None
    eta: str | None = Field(description="When it is to run, if that was put off.")
    next_retry_at: str | None = Field(description="When it is to run again, while it waits for that.")
    worker: str | None
    cancel_requested: bool
    cancel_reason: str | None
    result: Any = Field(None, description="What the task returned; see `result_ref` for a large one.")
    result_ref: str | None = Field(None, description="Where a result is that is too large to stand here.")
    error: TaskError | None
    seq: int = Field(description="Number of its latest update.")
    expires_at: str | None = Field(description="When this record goes.")
    poll_after_ms: int | None = Field(description="Null once the task has ended.")
    links: TaskLinks

    @classmethod
    def of(cls, record: TaskRecord, now_ms: int) -> Self:
        """From what the bridge knows."""
        last = record.last.fields if record.last and record.final else {}
        retry = record.eta if record.attempt > 1 and record.status is Status.SCHEDULED else None
        return cls(
            task_id=record.task_id,
            task=record.task,
            status=record.status,
            celery_state=record.celery_state,
            attempt=record.attempt,
            queue=record.queue,
            priority=record.priority,
            tags=list(record.tags),
            batch_id=record.batch_id,
            replay_of=record.replay_of,
            progress=Progress(**record.progress) if record.progress else None,
            submitted_at=_time(record.submitted_at),
            received_at=_time(record.received_at),
            started_at=_time(record.started_at),
            finished_at=_time(record.finished_at),
            eta=_time(record.eta),
            next_retry_at=_time(retry),
            worker=record.worker,
            cancel_requested=record.cancel_reason is not None,
            cancel_reason=record.cancel_reason,
            result=last.get("result"),
            result_ref=last.get("result_ref"),
            error=last.get("error"),
            seq=record.seq,
            expires_at=_time(now_ms + record.life_left_ms if record.life_left_ms else None),
            poll_after_ms=None if record.final else POLL_AFTER_MS,
            links=TaskLinks.of(record.task_id),
        )


class TaskResult(BaseModel):
    """What a task returned."""

    task_id: str
    status: Status
    result: Any


class CancelOutcome(BaseModel):
    """What a request to cancel achieved."""

    task_id: str
    outcome: str = Field(description="`never-ran`: it was taken out of its queue. `requested`: workers were told.")
    reason: str


def task_path(task_id: str) -> str:
    """Where a task is."""
    return f"/v1/tasks/{quote(task_id, safe='')}"


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1000)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
