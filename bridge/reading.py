"""Reading what stands in Petiole's keys, where anybody may have written something else."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bridge.errors import UnreadableBytes

logger = logging.getLogger(__name__)
ValueT = TypeVar("ValueT")
ReadT = TypeVar("ReadT")
_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What Python raises at a value of another shape; `UnreadableBytes` is among them, as a ValueError."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """For what is read by itself.

    Raises:
        UnreadableBytes: it has another shape than it should; the message names it by `what`.
    """
    try:
        yield
    except UnreadableBytes:
        raise
    except _ODD as error:
        raise UnreadableBytes(f"not {what}: {error!r:.200}") from error


def readable(values: Iterable[ValueT], read: Callable[[ValueT], ReadT], of: str) -> list[ReadT]:
    """For one of many in the key `of`: what `read` makes of each; those of another shape are passed over and logged."""
    found = []
    for value in values:
        try:
            found.append(read(value))
        except _ODD as error:
            logger.warning("passed over an entry of %s: %.200r: %.200r", of, value, error)
    return found


def texts(values: Iterable[bytes], of: str) -> list[str]:
    """Names or ids in the key `of`; those that are not UTF-8 are passed over and logged."""
    return readable(values, bytes.decode, of)
