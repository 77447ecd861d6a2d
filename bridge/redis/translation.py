"""redis-py's errors in our words."""

import re
from contextlib import AbstractContextManager
from types import TracebackType

from redis import exceptions

from bridge.errors import BrokerUnavailable, UnreadableBytes

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.AuthenticationError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    OSError,
)
_REFUSALS = (exceptions.ResponseError, exceptions.AuthenticationError, exceptions.BusyLoadingError)
_UNREACHED = " connecting to "
"""What redis-py says when it could not connect; when a connection breaks, it says "reading from" or "writing to"."""
_SERVES_NOBODY = re.compile(
    # redis-py has taken an "ERR" off already; in a script of Redis 6.2 what went wrong stands behind where it did.
    r"(?:(?:ERR )?Error running script .*: -?)?"
    r"(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN) ",
    re.DOTALL,
)
"""What a server says that serves nobody now, whatever is asked: of these redis-py knows only a few by classes."""
_IN_A_PIPELINE = " of pipeline caused error: "
"""Behind the command, which may have anything in it, and in front of what the server said."""


class _Translation:
    """A class, since every command and message passes here: a generator would cost several times as much."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, _AWAY) or _serves_nobody(error):
            raise BrokerUnavailable(str(error) or type(error).__name__, undone=_is_undone(error)) from error
        if isinstance(error, exceptions.RedisError):
            raise UnreadableBytes(
                f"Redis refused a command: {error}. Is a key of another program in the way?"
            ) from error


def _serves_nobody(error: BaseException) -> bool:
    if not isinstance(error, exceptions.ResponseError):
        return False
    said = str(error).rpartition(_IN_A_PIPELINE)[2]
    return _SERVES_NOBODY.match(said.lstrip("('\"")) is not None  # there it may stand as Python shows it


def _is_undone(error: BaseException) -> bool:
    """Whether the server refused what it was asked, or was never asked, since it could not be reached."""
    return isinstance(error, _REFUSALS) or _UNREACHED in str(error)


_TRANSLATION = _Translation()


def translated() -> AbstractContextManager[None]:
    """Raise `BrokerUnavailable` or `UnreadableBytes` in the place of what redis-py raises."""
    return _TRANSLATION
