"""Times as they stand in keys and updates: whole milliseconds since 1970, and ISO 8601 in UTC."""

from datetime import UTC, datetime
from functools import lru_cache


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return round(moment.timestamp() * 1000)


def iso(at_ms: int) -> str:
    """For example ``2026-01-31T12:00:00.000Z``: always 24 characters, which ``advance.lua`` counts on."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}Z"


@lru_cache(64)
def _second(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"


def from_iso(text: str) -> datetime:
    """The time in an event or header; a naive one is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
