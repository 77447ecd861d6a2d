"""Server-sent events: the only place that knows how they are written."""

from functools import lru_cache

from bridge.status import StatusUpdate

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
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


def reset(seq: int, task: bytes) -> bytes:
    """Updates up to `seq` are not kept any more; `task` is the whole task as JSON."""
    return b"id: %d\nevent: reset\ndata: %b\n\n" % (seq, task)


def closing(milliseconds: int) -> bytes:
    """This server stops: come back after so many milliseconds, to whoever answers then."""
    return b'retry: %d\nevent: closing\ndata: {"reason":"shutdown"}\n\n' % milliseconds
