"""Which attempt a piece of news is about.

Celery numbers attempts in ``task-received`` alone. Each source (events, result channel) is in order by itself but not
against the other, so each is counted by itself, and late news of one source is not mistaken for a next attempt.
"""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.state import Status

Value = TypeVar("Value")
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


class EventSequence:
    """Numbers task events, and puts right the one order that workers get wrong.

    A task sends its own retry before it ends, so ``task-received`` of the next attempt may come before
    ``task-retried`` of this one. It is held until that has come, `HOLD_MS` at the most.
    """

    def __init__(self) -> None:
        self._attempts: Recent[int] = Recent()
        self._held: Recent[tuple[int, dict[str, Any]]] = Recent()

    def feed(self, event: dict[str, Any], now_ms: int) -> list[tuple[dict[str, Any], int]]:
        """The events to read now, each with the number of its attempt or `UNKNOWN_ATTEMPT`."""
        task_id, kind = str(event.get("uuid")), event["type"]
        attempt = self._attempts.get(task_id, UNKNOWN_ATTEMPT)
        if kind == "task-received":
            received = _received_attempt(event)
            if UNKNOWN_ATTEMPT < attempt < received:
                self._held[task_id] = (now_ms, event)
                return []
            self._attempts[task_id] = attempt = received
        elif kind == "task-retried" and attempt:
            self._attempts[task_id] = attempt + 1
        elif kind in _ENDS:
            self._attempts.pop(task_id, None)
        return [(event, attempt), *self._release(task_id, now_ms)]

    def _release(self, task_id: str, now_ms: int) -> list[tuple[dict[str, Any], int]]:
        held = self._held.get(task_id)
        if held is None or _received_attempt(held[1]) > self._attempts.get(task_id, UNKNOWN_ATTEMPT):
            return []
        del self._held[task_id]
        return self.feed(held[1], now_ms)

    def overdue(self, now_ms: int) -> list[tuple[dict[str, Any], int]]:
        """The events that have waited long enough: the one before them was lost."""
        late = [task_id for task_id, (since, _) in self._held.items() if now_ms - since >= HOLD_MS]
        events = []
        for task_id in late:
            _, event = self._held.pop(task_id)
            self._attempts.pop(task_id, None)
            events += self.feed(event, now_ms)
        return events


def _received_attempt(event: dict[str, Any]) -> int:
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
