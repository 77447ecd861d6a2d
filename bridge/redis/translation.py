"""redis-py's errors in our words."""

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


class _Translation:
    """A class, since every command and message passes here: a generator would cost several times as much."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _AWAY):
            raise BrokerUnavailable(str(error) or type(error).__name__) from error
        if isinstance(error, exceptions.RedisError):
            raise UnreadableBytes(
                f"Redis refused a command: {error}. Is a key of another program in the way?"
            ) from error


_TRANSLATION = _Translation()


def translated() -> AbstractContextManager[None]:
    """Raise `BrokerUnavailable` or `UnreadableBytes` in the place of what redis-py raises."""
    return _TRANSLATION
