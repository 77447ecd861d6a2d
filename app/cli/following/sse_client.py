"""Server-sent events, the reader's side: bytes in, events out. Pure.

Written from "9.2.6 Interpreting an event stream" of the HTML standard. Unlike a browser it keeps an event's own id
apart from the last id that the stream named, so that a reader can count.
"""

from dataclasses import dataclass

from app.cli.errors import UnexpectedAnswer

MAX_PENDING_BYTES = 16 * 1_048_576
MAX_RETRY_DIGITS = 9
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class ServerSentEvent:
    """One event. `id` is None when the event names none; `event` is "message" when the stream names no type."""

    id: str | None
    event: str
    data: str


class EventParser:
    """Takes a stream in pieces of any size. `last_event_id` is the cursor to come back with; `retry_ms` is how long
    the server wants to be left alone first, milliseconds. At most `limit` bytes wait for the end of their event."""

    def __init__(self, limit: int = MAX_PENDING_BYTES) -> None:
        self._limit = limit
        self.last_event_id: str | None = None
        self.retry_ms: int | None = None
        self._lines = _LineSplitter()
        self._id: str | None = None
        self._event = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this piece completes.

        Raises:
            UnexpectedAnswer: what waits for its end is larger than the limit.
        """
        events = [event for line in self._lines.feed(chunk) if (event := self._take(line))]
        if self._lines.pending + self._size > self._limit:
            raise UnexpectedAnswer(f"one event of the stream is larger than {self._limit} bytes")
        return events

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")  # a comment has no name
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = self.last_event_id = value
        elif name == "retry" and _is_number(value):
            self.retry_ms = int(value)

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(id=self._id, event=self._event or "message", data="\n".join(self._data))
        told = bool(self._data)
        self._reset()
        return event if told else None

    def _reset(self) -> None:
        self._id, self._event, self._data, self._size = None, "", [], 0


class _LineSplitter:
    """Lines end with LF, CR or CRLF; the two bytes of a CRLF may come in different pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._begun = False

    @property
    def pending(self) -> int:
        """Bytes that wait for the end of their line."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that this piece completes, without their ends."""
        if not chunk:
            return []
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        *lines, self._rest = (self._rest + chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        return [self._decode(line) for line in lines]

    def _decode(self, line: bytes) -> str:
        first, self._begun = not self._begun, True
        return (line.removeprefix(BYTE_ORDER_MARK) if first else line).decode(errors="replace")


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= MAX_RETRY_DIGITS
