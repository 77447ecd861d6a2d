"""Every error the tasks raise by themselves, as one tree; its first level says whether another attempt can help.

Celery stores an error's class name and ``args`` as JSON and moves the error between processes by pickle, so every class
here keeps its message as the only argument.
"""

import errno
import socket

_TRANSIENT_ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
    }
)


class WorkError(Exception):
    """The root: `except WorkError` catches all that the tasks raise by themselves."""


class TransientError(WorkError):
    """It failed, and may well succeed later: `RetryingTask` tries again.

    `retry_after` is the wait in seconds that the other side asked for, if it asked for one.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidInput(WorkError, ValueError):
    """The task was called with something it cannot work on. Correct it and submit again."""


class InvalidCsv(InvalidInput):
    """The text is not a CSV table with a header; the message names the line where one is to blame."""


class RefusedUrl(InvalidInput):
    """The URL leads to a place that this worker does not fetch from."""


class UnusableResponse(WorkError):
    """The server answered, and another attempt would get the same answer: 4xx, too large, or not HTTP."""


class InvalidSettings(WorkError):
    """An environment variable has a value that cannot work. Correct it and start the worker again."""


def is_transient(error: BaseException) -> bool:
    """Whether another attempt can help.

    Timeouts and broken connections can pass; a missing file, a full disk, an unknown host or a wrong certificate stay
    as they are until a person acts, although all of them are `OSError` too.
    """
    if isinstance(error, (TransientError, ConnectionError, TimeoutError)):
        return True
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS
