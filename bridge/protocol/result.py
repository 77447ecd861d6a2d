"""The result backend's values: what a task's meta says (celery/backends/base.py, ``_get_result_meta``)."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from bridge.errors import TaskCancelled, TaskFailed, UnreadableBytes
from bridge.protocol.compact import compact
from bridge.protocol.compression import decompressed
from bridge.protocol.failure import failure_from_meta, raised_in
from bridge.protocol.news import UNKNOWN_ATTEMPT, Fields, News
from bridge.protocol.serializers import loads_any
from bridge.protocol.state import Status
from bridge.protocol.typed import from_typed
from bridge.protocol.values import MAX_DEPTH

COMPRESSED = b"\x00celery-compressed\x00"
"""Marks a compressed value (Celery 5.7, `result_compression`): mark, content type, zero byte, data."""
_STATUS = {
    "STARTED": Status.RUNNING,
    "RETRY": Status.RETRYING,
    "SUCCESS": Status.SUCCEEDED,
    "FAILURE": Status.FAILED,
    "REVOKED": Status.CANCELLED,
    "REJECTED": Status.REJECTED,
    "IGNORED": Status.REJECTED,
}
_BRACKETS = re.compile(r"[][{}]")
READY_STATES = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
"""States that no other follows (celery/states.py)."""
_NO_NEWS = frozenset({"PENDING", "RECEIVED"})


class TaskMeta(NamedTuple):
    """What the backend holds of a task: Celery's state, and the result, progress or exception that goes with it."""

    task_id: str
    state: str
    result: Any
    traceback: str | None
    name: str
    worker: str
    children: Sequence[Any] | None = ()
    """What the task started, as `ResultNode.of_tuple` reads it; None of one that never ran."""
    parent_id: str = ""
    """What has sent it, if a task has."""

    @property
    def status(self) -> Status | None:
        """Our word for the state; None for a state of the task's own, which is progress."""
        if self.state == "REVOKED" and failure_from_meta(self.result, None)["message"] == "expired":
            return Status.EXPIRED
        return _STATUS.get(self.state)


def read_meta(value: bytes) -> TaskMeta:
    """Read what a worker stored or published.

    It may be compressed, and in another serialization than JSON.

    Raises:
        UnreadableBytes: not a task's meta, or in a serialization that cannot be read here.
    """
    try:
        meta = loads_any(_plain(value))
        task_id, state = meta["task_id"], meta["status"]
        name, worker, parent_id = meta.get("name") or "", meta.get("worker") or "", meta.get("parent_id") or ""
        _check_texts(task_id, state, name, worker, parent_id)
        children = _started(meta.get("children"))
        return TaskMeta(task_id, state, meta.get("result"), meta.get("traceback"), name, worker, children, parent_id)
    except UnreadableBytes as error:
        raise UnreadableBytes(f"not the meta of a task: {error}. It begins with {value[:80]!r}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableBytes(f"not the meta of a task: {value[:80]!r}") from error


def _plain(value: bytes) -> bytes:
    if not value.startswith(COMPRESSED):
        return value
    content_type, _, data = value[len(COMPRESSED) :].partition(b"\x00")
    return decompressed(data, content_type.decode(errors="replace"))


def _check_texts(*values: object) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not a text")


def _started(children: object) -> Sequence[Any] | None:
    if children is not None and not isinstance(children, list | tuple):
        raise TypeError(f"{children!r} are no children")
    return children


def outcome(meta: TaskMeta) -> Any:
    """What the task returned, with typed values made again; of a failure all that is stored.

    Raises:
        TaskFailed: it ended with an exception.
        TaskCancelled: it was revoked or terminated, or expired.
        UnreadableBytes: what it returned is nested too deep.
    """
    if meta.state == "SUCCESS":
        return _made_again(meta)
    raised = raised_in(meta.result, meta.traceback)
    if meta.state == "REVOKED":
        raise TaskCancelled(meta.task_id, raised.message)
    raise TaskFailed(meta.task_id, raised)


def _made_again(meta: TaskMeta) -> Any:
    try:
        return from_typed(meta.result)
    except RecursionError as error:
        raise UnreadableBytes(f"the result of task {meta.task_id} is nested too deep") from error


def news_of_meta(meta: TaskMeta, *, at_ms: int, attempt: int = UNKNOWN_ATTEMPT, inline_limit: int) -> News | None:
    """The news in a meta; None when it says nothing new. A result above `inline_limit` bytes is left out."""
    if meta.state in _NO_NEWS:
        return None
    details, changes = _story(meta, inline_limit)
    facts = {"task": meta.name} if meta.name else {}
    return News(
        task_id=meta.task_id,
        status=meta.status,
        at_ms=at_ms,
        attempt=attempt,
        celery_state=meta.state,
        details=details,
        facts=facts,
        changes=changes,
        from_backend=True,
        kin=(meta.parent_id,) if meta.parent_id else (),
        spares_running=meta.status is Status.CANCELLED and failure_from_meta(meta.result, None)["message"] == "revoked",
    )


def _story(meta: TaskMeta, inline_limit: int) -> tuple[dict[str, Any], Fields]:
    """Details of the update and changes to the record."""
    match meta.status:
        case None:
            progress = _progress(meta, inline_limit)
            return {"progress": progress}, {"progress": compact(progress)}
        case Status.SUCCEEDED:
            return {"result": meta.result} if _fits(meta.result, inline_limit) else {
                "result_ref": f"/v1/tasks/{meta.task_id}/result"
            }, {}
        case Status.RUNNING:
            worker = meta.result.get("hostname") if isinstance(meta.result, dict) else None
            return {}, {"worker": str(worker)} if worker else {}
        case Status.RETRYING:
            return {"error": failure_from_meta(meta.result, None)}, {}
        case _:
            return {"error": failure_from_meta(meta.result, meta.traceback)}, {}


def _fits(value: object, inline_limit: int) -> bool:
    try:
        text = compact(value)
    except UnreadableBytes:  # nested too deep to be written again
        return False
    return len(text) <= inline_limit and _nesting(text) <= MAX_DEPTH


def _nesting(text: str) -> int:
    """How deep JSON is nested, or more where a text in it has brackets. Readers give up near 255 (pydantic)."""
    deepest = depth = 0
    for bracket in _BRACKETS.findall(text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _progress(meta: TaskMeta, inline_limit: int) -> dict[str, Any]:
    progress = dict(meta.result) if isinstance(meta.result, dict) else {"message": meta.result}
    if meta.state != "PROGRESS":
        progress = {"state": meta.state, **progress}
    if _fits(progress, inline_limit):
        return progress
    return {"state": meta.state, "message": f"more than {inline_limit} bytes of progress, left out"}


def revoked_meta(task_id: str, reason: str = "revoked") -> bytes:
    """What Celery stores for a task that was revoked before it ran, so that `AsyncResult.get` returns."""
    result = {"exc_type": "TaskRevokedError", "exc_message": [reason], "exc_module": "celery.exceptions"}
    meta = {
        "status": "REVOKED",
        "result": result,
        "traceback": None,
        "children": None,
        "date_done": None,
        "task_id": task_id,
    }
    return json.dumps(meta).encode()
