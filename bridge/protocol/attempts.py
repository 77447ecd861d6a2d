"""Which attempt a piece of news is about.

Celery numbers attempts in ``task-received`` alone. Each source (events, result channel) is in order by itself but not
against the other, so each is counted by itself, and late news of one source is not mistaken for a next attempt.
"""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.state import Status

Value = TypeVar("Value")
Event = dict[str, Any]
LIMIT = 50_000
"""Tasks that one source remembers; the ones least heard of go first."""
HOLD_MS = 2_000
"""How long an event that came too early waits for the one before it."""
_ENDS = frozenset({"task-succeeded", "task-failed", "task-revoked", "task-rejected"})


class Recent(OrderedDict[str, Value], Generic[Value]):
    """A dict of the tasks heard of last."""

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, task_id: str, value: Value) -> None:
        super().__setitem__(task_id, value)
        self.move_to_end(task_id)
        if len(self) > self._limit:
            self.popitem(last=False)


class _Course:
    """How far the events of one task have come. `held` are of the next attempt, before this one was put down."""

    __slots__ = ("attempt", "held", "since", "started")

    def __init__(self) -> None:
        self.attempt = UNKNOWN_ATTEMPT
        self.started = False
        self.held: list[Event] = []
        self.since = 0

    def is_early(self, event: Event) -> bool:
        """Whether the event is of a next attempt: one that was received, or a second start while one is held."""
        if event["type"] == "task-received":
            return UNKNOWN_ATTEMPT < self.attempt < _received_attempt(event)
        return event["type"] == "task-started" and self.started and bool(self.held)

    @property
    def runs_ahead(self) -> bool:
        """Whether the next attempt has started, so that an end is of that one."""
        return any(event["type"] == "task-started" for event in self.held)

    def number(self, event: Event) -> int:
        """The attempt that an event is about which is not early; what it says is taken note of."""
        kind, attempt = event["type"], self.attempt
        if kind == "task-received":
            self.attempt, self.started = _received_attempt(event), False
            return self.attempt
        if kind == "task-started":
            self.started = True
        elif kind == "task-retried" and attempt:
            self.attempt, self.started = attempt + 1, False
        return attempt


class EventSequence:
    """Numbers task events, and puts right the one order that workers get wrong.

    A task sends its own retry before it ends, so the next attempt may be received, and without a pause between them
    start, before ``task-retried`` of this one. What came early is held until that has come, `HOLD_MS` at the most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._courses: Recent[_Course] = Recent(limit)
        self._holding: set[str] = set()

    def feed(self, event: Event, now_ms: int) -> list[tuple[Event, int]]:
        """The events to read now, each with the number of its attempt or `UNKNOWN_ATTEMPT`."""
        task_id = str(event.get("uuid"))
        course = self._courses.get(task_id) or _Course()
        if course.is_early(event):
            course.since = course.since if course.held else now_ms
            course.held.append(event)
            self._holding.add(task_id)
            return []
        if event["type"] in _ENDS:
            ahead = self.release(task_id, now_ms) if course.runs_ahead else []
            self._courses.pop(task_id, None)
            self._holding.discard(task_id)
            return [*ahead, (event, course.attempt)]
        numbered = [(event, course.number(event))]
        if course.attempt:
            self._courses[task_id] = course
        return numbered + self._feed_again(task_id, now_ms) if event["type"] == "task-retried" else numbered

    def _feed_again(self, task_id: str, now_ms: int) -> list[tuple[Event, int]]:
        self._holding.discard(task_id)
        if (course := self._courses.get(task_id)) is None:
            return []
        held, course.held = course.held, []
        return [pair for event in held for pair in self.feed(event, now_ms)]

    def release(self, task_id: str, now_ms: int) -> list[tuple[Event, int]]:
        """The events of a task that are held, to be read now since the one before them is not waited for any more."""
        if task_id not in self._holding:
            return []
        if course := self._courses.get(task_id):
            course.attempt = UNKNOWN_ATTEMPT
        return self._feed_again(task_id, now_ms)

    def overdue(self, now_ms: int) -> list[tuple[Event, int]]:
        """The events that have waited long enough: the one before them was lost."""
        held = {task_id: self._courses.get(task_id) for task_id in self._holding}
        late = [task_id for task_id, one in held.items() if one is None or now_ms - one.since >= HOLD_MS]
        return [pair for task_id in late for pair in self.release(task_id, now_ms)]


def ends_an_attempt(event: Event) -> bool:
    """Whether an event says that the attempt it follows on is over, but not the task."""
    return event["type"] == "task-retried" or _received_attempt(event) > 1


def _received_attempt(event: Event) -> int:
    retries = event.get("retries")
    return retries + 1 if isinstance(retries, int) else 1


class _Count:
    __slots__ = ("attempt", "unanswered")

    def __init__(self) -> None:
        self.attempt = UNKNOWN_ATTEMPT
        self.unanswered = 0


class ResultCounter:
    """Counts attempts as the result channel tells of them: one more after each RETRY.

    For a task first heard of in the middle of its life the attempt is unknown; the answer of `advance.lua` says it.
    """

    def __init__(self) -> None:
        self._counts: Recent[_Count] = Recent()

    def current(self, task_id: str) -> int:
        """The attempt that news arriving now is about, or `UNKNOWN_ATTEMPT`."""
        count = self._counts.get(task_id)
        return count.attempt if count else UNKNOWN_ATTEMPT

    def told(self, news: News) -> None:
        """Take note of news that was numbered by `current`, before it is sent."""
        if news.final:
            self._counts.pop(news.task_id, None)
            return
        count = self._counts.get(news.task_id) or _Count()
        self._counts[news.task_id] = count
        if news.attempt == UNKNOWN_ATTEMPT:
            count.unanswered += 1
        else:
            count.attempt = _next(news.status, news.attempt)

    def answered(self, news: News, attempt: int) -> None:
        """Take note of the attempt that the task was found in, for news whose attempt was unknown."""
        count = self._counts.get(news.task_id)
        if count is None or news.attempt != UNKNOWN_ATTEMPT:
            return
        count.unanswered -= 1
        if not count.unanswered and count.attempt == UNKNOWN_ATTEMPT and attempt:
            count.attempt = _next(news.status, attempt)


def _next(status: Status | None, attempt: int) -> int:
    return attempt + 1 if status is Status.RETRYING else attempt
