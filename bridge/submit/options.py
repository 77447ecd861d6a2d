"""The options of a call, checked, and the message that they make of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self

from bridge.errors import InvalidMessage, NotACall
from bridge.protocol.canvas.check import queues
from bridge.protocol.compression import compression_named
from bridge.protocol.embed import Links, check_stamps, embedded
from bridge.protocol.encoding import Pattern
from bridge.protocol.message import TaskMessage
from bridge.protocol.serializers import serializer_named
from bridge.protocol.signature import Canvas
from bridge.protocol.values import check_name, check_tags, check_task_id, check_text, check_type
from bridge.submit.call import Call
from bridge.submit.idempotency import check_key

MAX_DELAY = timedelta(days=365)
MAX_RETRIES = 1_000
"""A worker's backoff doubles with each retry, so it is slow to work out for more."""
MAX_INDEX = 10**9


@dataclass(frozen=True, kw_only=True)
class Options:
    """`SubmitOptions` with their defaults, checked. Made by `of`."""

    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int = 0
    countdown: float | None = None
    eta: datetime | None = None
    expires: datetime | float | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    task_id: str | None = None
    serializer: str | None = None
    compression: str | None = None
    ignore_result: bool | None = None
    shadow: str | None = None
    headers: Mapping[str, Any] | None = None
    stamps: Mapping[str, Any] | None = None
    stamped_headers: Sequence[str] | None = None
    link: Links = None
    link_error: Links = None
    chord: Canvas | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    group_index: int | None = None
    retries: int = 0
    reply_to: str | None = None
    correlation_id: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    tags: Sequence[str] = ()
    idempotency_key: str | None = None
    record: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Check what is given, and no more.

        Raises:
            InvalidMessage: a value is of another type, or out of range; `pointer` names it.
            NotACall: there is no option of that name; it is a TypeError as well.
        """
        options = cls.__new__(cls)
        stated = vars(
            options
        )  # what is not given stands in the class: to set all fields would take longer than a check
        for name, value in given.items():
            check = _CHECKS.get(name)
            if check is None:
                raise NotACall(f"/options/{name}", f"there is no option {name!r}; there are {', '.join(_CHECKS)}")
            if value is not None:
                check(value, f"/options/{name}")
                stated[name] = value
        return options

    def changed(self, **changes: Any) -> Self:
        """The same with these changes; one that is None is not given any more."""
        options = type(self).__new__(type(self))
        stated = {**vars(self), **changes}
        vars(options).update({name: value for name, value in stated.items() if value is not None})
        return options

    def message(self, call: Call, *, task_id: str, origin: str, now: Callable[[], datetime]) -> TaskMessage:
        """The message of `call`, whose options these are; `now` tells the time if they need it.

        `task_id` is the one among them, or one that was made here.

        Raises:
            InvalidMessage: something in it would harm a worker or could not be read back.
        """
        given = vars(self)
        args, kwargs = (() if call.args is None else call.args), ({} if call.kwargs is None else call.kwargs)
        if _OF_A_MESSAGE.isdisjoint(given):
            if type(call.task) is not str:
                check_type(call.task, (str,), "/task")
            return _plain(call.task, origin).message(task_id, args, kwargs)
        fields = {name: given[name] for name in given if name in _STRAIGHT} | self._made(now())
        return TaskMessage(task=call.task, task_id=task_id, args=args, kwargs=kwargs, origin=origin, **fields)

    def _made(self, now: datetime) -> dict[str, Any]:
        """Fields that take some making."""
        made: dict[str, Any] = {"eta": self.due(now), "expires": _moment(self.expires, now, "/options/expires")}
        if self.link is not None or self.link_error is not None or self.chord is not None:
            made |= embedded(self.link, self.link_error, self.chord)
        if self.stamps is not None or self.stamped_headers is not None:
            stamps = self.stamps or {}
            names = list(stamps) if self.stamped_headers is None else list(self.stamped_headers)
            check_stamps(stamps, names)
            made |= {"stamps": {name: stamps[name] for name in names}, "stamped_headers": names}
        return made

    def later_queues(self) -> Iterator[str]:
        """The queues that are named in what workers send later, once `message` has checked it."""
        for given in (self.link, self.link_error, self.chord):
            for canvas in (given,) if isinstance(given, Canvas) else given or ():
                yield from queues(canvas)

    def due(self, now: datetime) -> datetime | None:
        """When the task is to run; None for at once. As in Celery no delay is no eta.

        Raises:
            InvalidMessage: both a countdown and an eta are given, or the countdown is out of range.
        """
        if self.countdown is None:
            return self.eta
        if self.eta is not None:
            raise InvalidMessage("/options/countdown", "cannot be given together with eta")
        return _moment(self.countdown, now, "/options/countdown") if self.countdown else None


DEFAULTS = Options.of({})
_STRAIGHT = frozenset(
    {
        *(
            "time_limit",
            "soft_time_limit",
            "serializer",
            "compression",
            "ignore_result",
            "shadow",
            "headers",
            "root_id",
        ),
        *("parent_id", "group_id", "group_index", "retries", "correlation_id", "argsrepr", "kwargsrepr"),
    }
)
"""Options that are fields of a message as they are."""
_MADE = frozenset({"countdown", "eta", "expires", "link", "link_error", "chord", "stamps", "stamped_headers"})
_OF_A_MESSAGE = _STRAIGHT | _MADE


@lru_cache(1_024)
def _plain(task: str, origin: str) -> Pattern:
    """Makes the messages that no option changes."""
    return Pattern(TaskMessage(task=task, task_id="any", origin=origin))


def _moment(value: datetime | float | None, now: datetime, pointer: str) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    if not 0 <= value <= MAX_DELAY.total_seconds():
        raise InvalidMessage(pointer, f"must be 0 to {MAX_DELAY.total_seconds():.0f} seconds")
    return now + timedelta(seconds=value)


Check = Callable[[Any, str], object]


def _of(*types: type) -> Check:
    def check(value: object, pointer: str) -> None:
        if type(value) not in types:
            check_type(value, types, pointer)

    return check


def _later(value: object, pointer: str) -> None:
    """Nothing: a canvas is checked as a whole."""


def _text(then: Check) -> Check:
    def check(value: object, pointer: str) -> None:
        check_type(value, (str,), pointer)
        then(value, pointer)

    return check


def _count(most: int) -> Check:
    def check(value: int, pointer: str) -> None:
        check_type(value, (int,), pointer)
        if not 0 <= value <= most:
            raise InvalidMessage(pointer, f"must be 0 to {most}")

    return check


_NUMBER = _of(int, float)
_ID = _text(check_task_id)
_CHECKS: Mapping[str, Check] = {
    "queue": _of(str),
    "exchange": _of(str),
    "routing_key": _of(str),
    "priority": _of(int),
    "countdown": _NUMBER,
    "eta": _of(datetime),
    "expires": _of(datetime, int, float),
    "time_limit": _NUMBER,
    "soft_time_limit": _NUMBER,
    "task_id": _ID,
    "serializer": _text(serializer_named),
    "compression": _text(compression_named),
    "ignore_result": _of(bool),
    "shadow": _of(str),
    "headers": _of(Mapping),
    "stamps": _of(Mapping),
    "stamped_headers": _of(list, tuple),
    "link": _later,
    "link_error": _later,
    "chord": _later,
    "root_id": _ID,
    "parent_id": _ID,
    "group_id": _ID,
    "group_index": _count(MAX_INDEX),
    "retries": _count(MAX_RETRIES),
    "reply_to": _text(check_name),
    "correlation_id": _text(check_name),
    "argsrepr": _text(check_text),
    "kwargsrepr": _text(check_text),
    "tags": check_tags,
    "idempotency_key": _text(check_key),
    "record": _of(bool),
}
"""What is checked of an option by itself. The rest is checked by what is made of it: a message, a route, a canvas."""
