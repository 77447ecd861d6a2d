"""redis-py's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from bridge.errors import BrokerUnavailable, UnreadableBytes

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.AuthenticationError,
    exceptions.OutOfMemoryError,
    OSError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise `BrokerUnavailable` or `UnreadableBytes` in the place of what redis-py raises."""
    try:
        yield
    except _AWAY as error:
        raise BrokerUnavailable(str(error) or type(error).__name__) from error
    except exceptions.RedisError as error:
        raise UnreadableBytes(f"Redis refused a command: {error}. Is a key of another program in the way?") from error
