"""Celery's events: what workers say about tasks and themselves (celery/events; PROTOCOL of ``celeryev``)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Self

from bridge.errors import UnreadableBytes
from bridge.protocol.clock import from_iso, iso, milliseconds
from bridge.protocol.encoding import EncodedTask
from bridge.protocol.envelope import TRANSIENT, Address, open_json, seal_text
from bridge.protocol.failure import failure_from_repr
from bridge.protocol.keys import EVENT_EXCHANGE
from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.route import Route
from bridge.protocol.said import SAYINGS, news_of_saying
from bridge.protocol.state import Status

TASK_SENT = "task-sent"
TASK_MULTI = "task-multi"
"""Several events of tasks in one message."""
WORKER_EVENTS = ("worker-online", "worker-heartbeat", "worker-offline")
Event = dict[str, Any]


def _untold(_odd: object) -> None:
    """Who reads does not log."""


def read_events(data: bytes, odd: Callable[[object], object] = _untold) -> list[Event]:
    """The events in one published message: one, or a list of them (``task.multi``, how workers batch).

    What is none in a list is passed over and given to `odd`, by which it may be logged; the others are good.

    Raises:
        UnreadableBytes: no envelope with an event or a list.
    """
    body = open_json(data)
    events = body if isinstance(body, list) else [body]
    if all(map(_is_event, events)):
        return events
    if not isinstance(body, list):
        raise UnreadableBytes(f"not an event: {data[:80]!r}")
    for one in events:
        if not _is_event(one):
            odd(one)
    return [one for one in events if _is_event(one)]


def _is_event(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("type"), str)


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryEvent:
    """One event of a worker, a producer or a task. `type` is Celery's, or a task's own: ``task-started``, ``my-news``.

    `timestamp` is in seconds since 1970 by the clock of the process that sent it, `hostname`; `clock` is that one's
    logical clock and `utc_offset` its hours *west* of UTC. `task_id` is None for what is not about a task. `details`
    holds all other fields as they came, with arguments and results as texts.
    """

    type: str
    hostname: str
    timestamp: float
    pid: int
    clock: int
    utc_offset: float
    task_id: str | None
    details: Mapping[str, Any]

    @property
    def group(self) -> str:
        """``task``, ``worker``, or what a type of one's own begins with."""
        return self.type.partition("-")[0]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The event that `read_events` gave.

        Raises:
            UnreadableBytes: it lacks what Celery puts into every event, whoever sends it.
        """
        rest = dict(event)
        try:
            return cls(
                type=rest.pop("type"),
                hostname=str(rest.pop("hostname")),
                timestamp=float(rest.pop("timestamp")),
                pid=int(rest.pop("pid")),
                clock=int(rest.pop("clock")),
                utc_offset=float(rest.pop("utcoffset")),
                task_id=str(task_id) if (task_id := rest.pop("uuid", None)) is not None else None,
                details=rest,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnreadableBytes(f"not a {event['type']} event: {event!r:.200}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends events: shown by Flower as the client of a task."""

    hostname: str
    pid: int
    utc_offset: float = 0.0


def task_sent(encoded: EncodedTask, route: Route, sender: Sender, *, clock: int, timestamp: float) -> str:
    """The ``task-sent`` event, by which Flower shows a task before any worker has it. `timestamp` in seconds."""
    sent_by, sent_to = _sent_by(sender.hostname, sender.utc_offset, sender.pid), _sent_to(route.queue, route.fanout)
    return f'{sent_by}{clock}, {encoded.announced}{sent_to}{timestamp!r}, "type": "{TASK_SENT}"}}'


def seal_task_sent(events: Sequence[str], sender: Sender, *, delivery_tag: str) -> tuple[str, bytes]:
    """A type of event and the message of it: one event as Celery's producers send it, several as its workers do."""
    event_type, body = (TASK_SENT, events[0]) if len(events) == 1 else (TASK_MULTI, f"[{', '.join(events)}]")
    address = Address(exchange=EVENT_EXCHANGE, routing_key=event_type.replace("-", "."), mode=TRANSIENT)
    return event_type, seal_text(body, f'{{"hostname": {_quoted(sender.hostname)}}}', address, delivery_tag)


@lru_cache(16, typed=True)
def _sent_by(hostname: str, utc_offset: float, pid: int) -> str:
    said = {"hostname": hostname, "utcoffset": utc_offset, "pid": pid}
    return f'{json.dumps(said)[:-1]}, "clock": '


@lru_cache(1_024)
def _sent_to(queue: str, fanout: str) -> str:
    said = {"queue": None if fanout else queue, "exchange": fanout, "routing_key": queue}
    return f', {json.dumps(said)[1:-1]}, "timestamp": '


def news_of_event(event: Event, *, at_ms: int, attempt: int = UNKNOWN_ATTEMPT) -> News | None:
    """The news in a task event; None when it says neither a task's status nor what the task itself says.

    ``task-succeeded`` and ``task-failed`` are hints: the result backend has the result itself.

    Raises:
        UnreadableBytes: the event lacks what Celery always sends with its type.
    """
    read = _READERS.get(event["type"])
    try:
        return read(event, str(event["uuid"]), at_ms, attempt) if read else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnreadableBytes(f"not a {event['type']} event: {event!r:.200}") from error


def _described(event: Event) -> dict[str, str | int]:
    return {field: str(event[key]) for field, key in (("task", "name"), ("queue", "queue")) if event.get(key)}


def _kin(event: Event, task_id: str) -> tuple[str, ...]:
    told = dict.fromkeys(event.get(name) for name in ("parent_id", "root_id"))
    return tuple(one for one in told if isinstance(one, str) and one != task_id)


def _retries(event: Event) -> int:
    retries = event["retries"]
    if type(retries) is not int or retries < 0:
        raise ValueError(f"{retries!r} is no number of retries")
    return retries


def _sent(event: Event, task_id: str, at_ms: int, _attempt: int) -> News | None:
    if _retries(event):  # sent by a task that retries itself, before it says so
        return None
    facts, kin = _described(event), _kin(event, task_id)
    return News(task_id=task_id, status=Status.SUBMITTED, at_ms=at_ms, attempt=1, facts=facts, kin=kin)


def _received(event: Event, task_id: str, at_ms: int, _attempt: int) -> News:
    attempt = _retries(event) + 1
    eta = from_iso(event["eta"]) if event.get("eta") else None
    described: dict[str, str | int] = {**_described(event), "worker": str(event["hostname"])}
    kin = _kin(event, task_id)
    if eta is None or eta <= datetime.fromtimestamp(event["timestamp"], UTC):
        return News(task_id=task_id, status=Status.RECEIVED, at_ms=at_ms, attempt=attempt, facts=described, kin=kin)
    due = milliseconds(eta)
    return News(
        task_id=task_id,
        status=Status.SCHEDULED,
        at_ms=at_ms,
        attempt=attempt,
        details={"eta": iso(due)},
        facts=described,
        changes={"eta": due},
        kin=kin,
    )


def _started(event: Event, task_id: str, at_ms: int, attempt: int) -> News:
    worker = str(event["hostname"])
    return News(task_id=task_id, status=Status.RUNNING, at_ms=at_ms, attempt=attempt, changes={"worker": worker})


def _retried(event: Event, task_id: str, at_ms: int, attempt: int) -> News:
    error = failure_from_repr(event["exception"])
    return News(task_id=task_id, status=Status.RETRYING, at_ms=at_ms, attempt=attempt, details={"error": error})


def _succeeded(_event: Event, task_id: str, at_ms: int, attempt: int) -> News:
    return News(task_id=task_id, status=Status.SUCCEEDED, at_ms=at_ms, attempt=attempt, details={"result": None})


def _failed(event: Event, task_id: str, at_ms: int, attempt: int) -> News:
    error = failure_from_repr(event["exception"], event.get("traceback"))
    return News(task_id=task_id, status=Status.FAILED, at_ms=at_ms, attempt=attempt, details={"error": error})


def _revoked(event: Event, task_id: str, at_ms: int, attempt: int) -> News:
    expired = bool(event.get("expired"))
    reason = "expired" if expired else "terminated" if event.get("terminated") else "revoked"
    return News(
        task_id=task_id,
        status=Status.EXPIRED if expired else Status.CANCELLED,
        at_ms=at_ms,
        attempt=attempt,
        details={"error": {"type": "TaskRevokedError", "message": reason}},
    )


def _rejected(event: Event, task_id: str, at_ms: int, attempt: int) -> News | None:
    if event.get("requeue"):
        return None
    return News(task_id=task_id, status=Status.REJECTED, at_ms=at_ms, attempt=attempt)


_READERS: dict[str, Callable[[Event, str, int, int], News | None]] = {
    TASK_SENT: _sent,
    "task-received": _received,
    "task-started": _started,
    "task-retried": _retried,
    "task-succeeded": _succeeded,
    "task-failed": _failed,
    "task-revoked": _revoked,
    "task-rejected": _rejected,
    **dict.fromkeys(SAYINGS, news_of_saying),
}
