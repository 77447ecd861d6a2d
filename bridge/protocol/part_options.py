"""The options of a part of a workflow, for type checkers; `canvas.check` refuses any other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict


class PartOptions(TypedDict, total=False):
    """What may be set on a part, by Celery's names; `SubmitOptions` says what they are. None is as not given."""

    queue: str | None
    exchange: str | None
    routing_key: str | None
    priority: int | None
    countdown: float | None
    eta: datetime | None
    expires: datetime | float | None
    time_limit: float | None
    soft_time_limit: float | None
    task_id: str | None
    serializer: str | None
    compression: str | None
    ignore_result: bool | None
    shadow: str | None
    headers: Mapping[str, Any] | None
    argsrepr: str | None
    kwargsrepr: str | None
