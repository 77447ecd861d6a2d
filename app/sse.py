"""Server-sent events: the only place that knows how they are written."""

from functools import lru_cache

from bridge.follow.feed_entry import FeedEntry
from bridge.records.status import StatusUpdate

MEDIA_TYPE = "text/event-stream"
NOT_STORED = {"Cache-Control": "no-store"}
HEADERS = {**NOT_STORED, "X-Accel-Buffering": "no"}
KEEP_ALIVE = b": keep-alive\n\n"
SHARED_UPDATES = 2_048
"""Updates whose bytes are kept for the next follower."""


def retry(milliseconds: int) -> bytes:
    """How long a client waits before it returns."""
    return b"retry: %d\n\n" % milliseconds


@lru_cache(SHARED_UPDATES)
def update(update: StatusUpdate) -> bytes:
    """A numbered update; the bytes are made once and shared by all who follow the task."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (update.seq, update.kind.encode(), update.json)


def reset(cursor: int | str, task: bytes) -> bytes:
    """Updates up to `cursor` are not kept any more; `task` is the whole task as JSON."""
    return b"id: %b\nevent: reset\ndata: %b\n\n" % (str(cursor).encode(), task)


def state(task: bytes) -> bytes:
    """The whole of one task among others whose cursor is yet to come: a `reset` without an id."""
    return b"event: reset\ndata: %b\n\n" % task


@lru_cache(SHARED_UPDATES)
def feed_update(entry: FeedEntry) -> bytes:
    """An update among those of many tasks; its place in the feed is its id."""
    update = entry.update
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (entry.cursor.encode(), update.kind.encode(), update.json)


def closing(milliseconds: int) -> bytes:
    """This server stops: come back after so many milliseconds, to whoever answers then."""
    return b'retry: %d\nevent: closing\ndata: {"reason":"shutdown"}\n\n' % milliseconds
