"""StatusUpdate and TaskRecord: Petiole's own words, what subscribers and callers read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from bridge.protocol.compact import compact
from bridge.protocol.state import Status
from bridge.reading import reading

_KINDS = ("reset", "progress", "output", "log")
_HIGHEST_SEQ = 2**53
"""Scripts count exactly up to it."""


@dataclass(frozen=True, kw_only=True)
class StatusUpdate:
    """One numbered update of a task, as recorded. `seq` counts from 1 without a gap.

    `text` is the JSON object that the script recorded, without ``task_id`` and ``seq``, which its place says.

    One of the `kind` ``reset`` was not recorded: whoever follows a task is given it in the place of the updates up to
    its `seq`, which are not kept any more, and it says how the task is now.
    """

    task_id: str
    seq: int
    text: bytes

    @cached_property
    def fields(self) -> dict[str, Any]:
        """``status``, ``attempt``, ``time``; where they apply ``progress``, ``eta``, ``error``, ``result``, ``final``.

        Raises:
            UnreadableBytes: somebody else wrote into Petiole's keys.
        """
        with reading(f"an update of task {self.task_id}: {self.text[:80]!r}"):
            fields: dict[str, Any] = json.loads(self.text)
            Status(fields["status"])
            fields["attempt"] = int(fields["attempt"])
            for name in ("progress", "error"):
                _mapping(fields.get(name))
            return fields

    @property
    def status(self) -> Status:
        """Where the task is since this update."""
        return Status(self.fields["status"])

    @property
    def attempt(self) -> int:
        """Counts from 1."""
        attempt: int = self.fields["attempt"]
        return attempt

    @property
    def progress(self) -> Mapping[str, Any] | None:
        """``current``, ``total`` and ``message`` as the task said them."""
        return self.fields.get("progress")

    @property
    def error(self) -> Mapping[str, str] | None:
        """``type``, ``message`` and, at an end, ``traceback``."""
        return self.fields.get("error")

    @property
    def result(self) -> Any:
        """What the task returned; None also when it was too large for the update."""
        return self.fields.get("result")

    @cached_property
    def final(self) -> bool:
        """Whether the task has ended with this update."""
        return bool(self.fields.get("final"))

    @cached_property
    def kind(self) -> str:
        """The status; or ``progress``, ``output``, ``log`` or ``reset`` for an update that is no change of status."""
        return next((kind for kind in _KINDS if kind in self.fields), self.status)

    @cached_property
    def json(self) -> bytes:
        """The whole update as JSON, made once for all who read it."""
        return b'{"task_id":"%b","seq":%d,%b' % (self.task_id.encode(), self.seq, self.text[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """What is known of a task now. Times are milliseconds since 1970."""

    task_id: str
    status: Status
    celery_state: str
    attempt: int
    seq: int
    task: str | None = None
    queue: str | None = None
    priority: int = 0
    tags: tuple[str, ...] = ()
    batch_id: str | None = None
    replay_of: str | None = None
    """The task that it runs again."""
    owner: str = ""
    worker: str | None = None
    progress: Mapping[str, Any] | None = None
    submitted_at: int | None = None
    received_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    eta: int | None = None
    life_left_ms: int | None = None
    """How long the record itself is still kept."""
    cancel_reason: str | None = None
    """Why somebody asked to cancel it; None when nobody did."""
    last: StatusUpdate | None = None
    """The latest update; of a task that has ended it has the result or the error."""

    @property
    def final(self) -> bool:
        """Whether the task has ended."""
        return self.last is not None and self.last.final

    def reset(self, seq: int) -> StatusUpdate:
        """What whoever follows the task is given in the place of the updates up to `seq`: the task as it is now."""
        now: dict[str, Any] = {"status": self.status, "attempt": self.attempt, "reset": True}
        if self.progress is not None:
            now["progress"] = self.progress
        if self.last is not None:
            now["time"] = self.last.fields.get("time")
        return StatusUpdate(task_id=self.task_id, seq=seq, text=compact(now).encode())

    @classmethod
    def read(cls, task_id: str, fields: Mapping[bytes, bytes], last: bytes | None, life_left_ms: int | None) -> Self:
        """From the hash and the last element of the history.

        Raises:
            UnreadableBytes: somebody else wrote into Petiole's keys.
        """
        texts = {key.decode(errors="replace"): value for key, value in fields.items() if key != b"payload"}
        with reading(f"the record of task {task_id}, which has {sorted(texts)}"):
            seq = _seq(texts["seq"])
            return cls(
                task_id=task_id,
                status=Status(texts["status"].decode()),
                celery_state=texts.get("celery_state", b"PENDING").decode(),
                attempt=int(texts.get("attempt", 1)),
                seq=seq,
                task=_text(texts, "task"),
                queue=_text(texts, "queue"),
                priority=_number(texts, "priority") or 0,
                tags=tuple(map(str, json.loads(texts.get("tags", b"[]")))),
                batch_id=_text(texts, "batch"),
                replay_of=_text(texts, "replay_of"),
                owner=_text(texts, "owner") or "",
                worker=_text(texts, "worker"),
                progress=_mapping(json.loads(texts.get("progress", b"null"))),
                submitted_at=_number(texts, "submitted_at"),
                received_at=_number(texts, "received_at"),
                started_at=_number(texts, "started_at"),
                finished_at=_number(texts, "finished_at"),
                eta=_number(texts, "eta"),
                life_left_ms=life_left_ms,
                cancel_reason=_text(texts, "cancel"),
                last=StatusUpdate(task_id=task_id, seq=seq, text=last) if last else None,
            )


def _mapping(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict | None):
        raise TypeError(f"{value!r:.80} is no object")
    return value


def _seq(digits: bytes) -> int:
    seq = int(digits)
    if not 0 <= seq <= _HIGHEST_SEQ:
        raise ValueError(f"{seq} is no number of an update")
    return seq


def _text(texts: Mapping[str, bytes], name: str) -> str | None:
    return texts[name].decode() if name in texts else None


def _number(texts: Mapping[str, bytes], name: str) -> int | None:
    return int(texts[name]) if name in texts else None
