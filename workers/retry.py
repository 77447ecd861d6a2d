"""The one retry policy: which errors are tried again, how often, and how long between."""

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery import Task
from celery.exceptions import Retry

from workers.backoff import Backoff
from workers.errors import TransientError, is_transient

if TYPE_CHECKING:
    _Task = Task[..., Any]
else:
    _Task = Task  # generic in its type stubs only

_DICE = random.SystemRandom()  # forked pool processes must not share a seed


class RetryingTask(_Task):
    """A task that is tried again after a transient error, at growing intervals, `max_retries` times at the most.

    Celery's ``autoretry_for`` decides what to catch, and once the retries are used up it raises the original error,
    which is what the result shows. Its ``retry_backoff`` is left off: it draws whole seconds from 0, so waits need not
    grow from attempt to attempt.

    A task overrides the policy with decorator options or class attributes::

        @app.task(base=RetryingTask, bind=True, max_retries=3, backoff=Backoff(base=0.5))

    and whoever submits it by a header ``max_retries`` of the message, which each attempt has.
    """

    abstract = True
    autoretry_for: tuple[type[Exception], ...] = (TransientError, OSError)
    max_retries: int | None = 5
    backoff: Backoff = Backoff()

    def retry(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        exc: Exception | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """As `celery.Task.retry`; what the caller does not name is taken from `backoff` and from the message.

        Raises:
            OSError: `exc` itself, when it is one that no further attempt can cure.
            Retry: the task has been sent again.
        """
        if isinstance(exc, OSError) and not is_transient(exc):
            raise exc
        if eta is None and countdown is None:
            countdown = self.next_delay(exc)
        if max_retries is None:
            max_retries = self.asked_max_retries()
        return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)

    @property
    def override_max_retries(self) -> int:
        """What `retry` was last told, which Celery's ``autoretry_for`` goes by when that error comes out of the task.

        Celery keeps it on the task, where whatever the process runs next would find it; here it goes with the request.
        """
        try:
            told: int = vars(self.request)["override_max_retries"]
        except KeyError:
            raise AttributeError("override_max_retries") from None
        return told

    @override_max_retries.setter
    def override_max_retries(self, told: int) -> None:
        vars(self.request)["override_max_retries"] = told

    @override_max_retries.deleter
    def override_max_retries(self) -> None:
        del vars(self.request)["override_max_retries"]

    def asked_max_retries(self) -> int | None:
        """How often whoever submitted the task wants it retried at the most; None when they did not say.

        What is in a message comes from outside, so all that is no count is as good as nothing.
        """
        asked = self.request.get("max_retries")
        return asked if type(asked) is int and asked >= 0 else None

    def next_delay(self, exc: Exception | None) -> float:
        """Seconds until the next attempt: the backoff, or the longer wait the other side asked for, within the cap."""
        delay = self.backoff.delay(self.request.retries, _DICE)
        asked = exc.retry_after if isinstance(exc, TransientError) else None
        return delay if asked is None else max(delay, min(asked, self.backoff.cap))
