"""Every error the bridge raises, as one tree. Each says what to do next."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self, TypeVar


class PetioleError(Exception):
    """The root: `except PetioleError` catches all that the bridge raises by itself.

    It can be pickled and copied, with its attributes; as with any exception the cause stays behind.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Python's own calls the class with `args`, the sentence alone, where a class here takes what that is made of.
        return _bare, (type(self), self.args), self._sent()

    def __copy__(self) -> Self:
        again = _bare(type(self), self.args)
        vars(again).update(vars(self))
        return again

    def _sent(self) -> dict[str, Any]:
        """The attributes that go along to another process."""
        return dict(vars(self))


ErrorT = TypeVar("ErrorT", bound=PetioleError)


def _bare(kind: type[ErrorT], args: tuple[Any, ...]) -> ErrorT:
    return kind.__new__(kind, *args)


class InvalidSettings(PetioleError):
    """A setting has a value that cannot work."""


class InvalidMessage(PetioleError, ValueError):
    """Something that must not reach the wire, since it would harm a worker or could not be read back.

    `pointer` is a JSON pointer (RFC 6901) into ``{"task", "args", "kwargs", "options": {…}}``.
    """

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or 'message'}: {reason}")
        self.pointer = pointer
        self.reason = reason


class NotACall(InvalidMessage, TypeError):
    """What is to be submitted is no call: it is something else, or has an option that there is not."""


class NotAccepted(PetioleError):
    """The queue service refused a task. Nothing was queued, nothing was recorded."""


class DuplicateTask(NotAccepted):
    """A task with this id is known already."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"A task with the id {task_id!r} exists. Leave task_id out, or choose another.")
        self.task_id = task_id


class QueueSaturated(NotAccepted):
    """The queue is as deep as it may become. Try again after `retry_after` seconds."""

    def __init__(self, queue: str, limit: int, *, retry_after: float = 5) -> None:
        super().__init__(f"The queue {queue!r} holds {limit} tasks or more. Try again later, or start more workers.")
        self.queue = queue
        self.retry_after = retry_after


class QueuePaused(NotAccepted):
    """The queue takes no tasks until somebody resumes it."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"The queue {queue!r} is paused. Submit to another queue, or again when it is resumed.")
        self.queue = queue


class PublisherBusy(NotAccepted):
    """Too many submits of this process wait for their round trip. Try again after `retry_after` seconds."""

    def __init__(self, limit: int, *, retry_after: float = 1) -> None:
        super().__init__(f"{limit} calls are waiting for Redis already. Try again later.")
        self.retry_after = retry_after


class IdempotencyKeyReused(NotAccepted):
    """An idempotency key came before with another task, or with other arguments or options."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} came with another task before. Use a new key for a new task.")
        self.key = key


class HeldBack(NotAccepted):
    """Nothing is wrong with this task; others of its batch were refused, and they were to be queued all or none."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"The task {task_id!r} was held back, since others of its batch were refused.")
        self.task_id = task_id


class SomeRefused(NotAccepted):
    """Of many tasks some were not accepted; the others are queued.

    `outcomes` has a handle or an error for each, in their order; `errors` the errors alone, by their index. Tasks with
    a `BrokerUnavailable` may be queued all the same, unless it is `undone`: submitted again with the `task_id` that it
    has, they are accepted once.

    In another process, if it is sent to one, it has ids in the place of the handles.
    """

    def __init__(self, outcomes: Sequence[object]) -> None:
        self._told(outcomes)
        at, first = next(iter(self.errors.items()))
        super().__init__(
            f"{len(self.errors)} of {len(outcomes)} tasks {self._what()}. The first is number {at}: {first}"
        )

    def _what(self) -> str:
        in_doubt = any(isinstance(one, BrokerUnavailable) and not one.undone for one in self.errors.values())
        return "were not accepted" + ", or it is not known whether they were" * in_doubt

    def _sent(self) -> dict[str, Any]:
        ids = [one if isinstance(one, PetioleError) else getattr(one, "task_id", one) for one in self.outcomes]
        return vars(self) | {"outcomes": ids}

    def _told(self, outcomes: Sequence[object]) -> None:
        self.outcomes = outcomes
        self.errors = {at: one for at, one in enumerate(outcomes) if isinstance(one, PetioleError)}


class CallsBrokeOff(SomeRefused):
    """What many calls were taken from has raised, which is the cause, when some of them had been sent already.

    `outcomes` has those that were sent, in their order; `errors`, which may be empty, those among them that were
    refused. All that was to come after them is not queued.
    """

    def __init__(self, outcomes: Sequence[object]) -> None:
        self._told(outcomes)
        NotAccepted.__init__(
            self,
            f"There were no more calls after {len(outcomes)}, of which {len(self.errors)} {self._what()}: see the "
            "cause. The others of them are queued; submit those that were to follow.",
        )


class BrokerUnavailable(PetioleError):
    """Redis did not answer. Try again after `retry_after` seconds; the cause is in ``__cause__``.

    `undone` is True when nothing was done of what was asked: Redis was not reached, or refused it. With a `task_id` it
    is of a submit that may have queued its task: submit it again with that id, and it is accepted once.
    """

    def __init__(
        self, reason: str, *, retry_after: float = 2, undone: bool = False, task_id: str | None = None
    ) -> None:
        self.reason = reason.removesuffix(".")
        super().__init__(f"Redis is not available: {self.reason}. Try again later, or check the address.")
        self.retry_after = retry_after
        self.undone = undone
        self.task_id = task_id


class ClientClosed(PetioleError):
    """The block of the client has ended. Whoever still awaited something in it gets this, and so does a later call."""

    def __init__(
        self, reason: str = "The client is closed. Await all you need of it within its `async with`, or open another."
    ) -> None:
        super().__init__(reason)


class WrongLoop(PetioleError, RuntimeError):
    """The client was called in another event loop than its own, for example from another thread. Nothing was done."""

    def __init__(
        self,
        reason: str = "The client belongs to the event loop that it was opened in. From another thread call it by "
        "`asyncio.run_coroutine_threadsafe(tasks.submit(…), loop).result()`, or open another client in this loop.",
    ) -> None:
        super().__init__(reason)


class TaskNotFound(PetioleError):
    """No task with this id is known: never submitted here, or without a record, or long gone."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"No task with the id {task_id!r} is known. It was never submitted, or without a record, or its record has "
            "expired."
        )
        self.task_id = task_id


class TaskExpired(TaskNotFound):
    """The task was known, and its record has expired."""

    def __init__(self, task_id: str) -> None:
        PetioleError.__init__(self, f"The task {task_id!r} has ended, and its record is not kept any more.")
        self.task_id = task_id


class QueueNotFound(PetioleError):
    """No task was ever submitted to a queue of this name, and no worker takes tasks from one."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"No queue {queue!r:.260} is known: nothing was submitted to it, and no worker consumes it.")
        self.queue = queue


class TaskEnded(PetioleError):
    """The task has ended already, so it cannot be cancelled."""

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(f"The task {task_id!r} has ended already: {status}.")
        self.task_id = task_id
        self.status = status


class PayloadGone(PetioleError):
    """The message of a task is not kept, so it cannot be run again."""

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(
            f"The message of the task {task_id!r}, which is {status}, is not kept. It is kept until the task has "
            "succeeded, and only if it was submitted here, not sent by a worker. Submit the task anew."
        )
        self.task_id = task_id


class Raised(NamedTuple):
    """An exception that ended a task, as it is stored: nothing of it is ever imported."""

    type: str
    message: str
    arguments: Sequence[Any] = ()
    module: str | None = None
    traceback: str | None = None


class TaskFailed(PetioleError):
    """The task ended with an exception. It is told as text: what a result names is never imported."""

    def __init__(self, task_id: str, raised: Raised) -> None:
        super().__init__(f"{raised.type}: {raised.message}")
        self.task_id = task_id
        self.type = raised.type
        """Name of the exception's type, for example ``ValueError``."""
        self.message = raised.message
        """Its arguments as one text."""
        self.arguments = raised.arguments
        """Its arguments, as the worker has written them in JSON."""
        self.module = raised.module
        """Name of the module that its type is from, if that is stored."""
        self.traceback = raised.traceback


class TaskCancelled(PetioleError):
    """The task was revoked, terminated, or not started before it expired."""

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(f"The task {task_id!r} was cancelled: {reason}.")
        self.task_id = task_id
        self.reason = reason


class InvalidOwner(PetioleError, ValueError):
    """A name that no owner of an API key can have."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner!r:.80} cannot be an owner. Use 1 to 64 letters, digits, dots, dashes, underscores or @, "
            "and begin with a letter or a digit."
        )


class ApiKeyNotFound(PetioleError):
    """No API key has this id: it was never made, or is revoked already."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id!r:.80}. `petiole keys list` shows those that there are.")


class SubscriberTooSlow(PetioleError):
    """A reader did not keep up and was dropped. Follow again from the last update it saw; nothing is lost."""


class UnreadableBytes(PetioleError, ValueError):
    """Bytes from Redis that are not what Celery or Petiole write there."""
