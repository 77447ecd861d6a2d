"""Cursors of lists, as clients have them: opaque."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from app.errors import ProblemRaised, payload_invalid
from bridge.errors import InvalidMessage
from bridge.records.task_list import Cursor

MAX_CURSOR = 500


def sealed(cursor: Cursor) -> str:
    """The cursor, for a client."""
    return urlsafe_b64encode(str(cursor).encode()).decode().rstrip("=")


def opened(cursor: str, where: str = "query") -> Cursor:
    """The cursor that a client sent, in the `query` or the `body`.

    Raises:
        ProblemRaised: it is none.
    """
    try:
        return Cursor.of(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode())
    except (ValueError, InvalidMessage) as error:
        detail = "is no cursor; send one that the page before gave, or none"
        raise ProblemRaised(payload_invalid([{"pointer": "/cursor", "detail": detail, "in": where}])) from error
