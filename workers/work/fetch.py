"""GET a URL within limits, and say what came back."""

import codecs
import hashlib
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import TypedDict

from workers.errors import TransientError, UnusableResponse
from workers.work.http_get import Deadline, get
from workers.work.url import parse_url, redirected

MAX_REDIRECTS = 5
TEXT_BYTES = 4_096  # of a text, this much of its start is returned
CHUNK_BYTES = 65_536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript", "application/x-ndjson"})
_TEXT_CODECS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchLimits:
    """What one fetch may reach (`allow_private`), take in (bytes) and last (seconds)."""

    allow_private: bool
    max_bytes: int
    timeout: float


class Fetched(TypedDict):
    """`url` is where redirects led; `bytes` and `sha256` are of the whole body; `text` is its start, if it is text."""

    url: str
    status: int
    content_type: str
    bytes: int
    sha256: str
    text: str | None


def fetch(url: str, limits: FetchLimits) -> Fetched:
    """GET `url` and follow up to `MAX_REDIRECTS` redirects, each checked like the first URL.

    Name resolution has the system resolver's own time limit; all the rest is within ``limits.timeout``.

    Raises:
        RefusedUrl: not an http(s) URL, an unknown host, or an address that is not public.
        UnusableResponse: a 4xx, a body larger than allowed, too many redirects, not HTTP.
        TransientError: a 5xx, a 429, or a body that broke off.
        OSError: the connection failed or timed out.
    """
    deadline = Deadline.after(limits.timeout)
    for _ in range(1 + MAX_REDIRECTS):
        with get(parse_url(url), allow_private=limits.allow_private, deadline=deadline) as response:
            location = response.headers["Location"] if response.status in _REDIRECTS else None
            if location is None:
                return _accept(url, response, limits.max_bytes)
        url = redirected(url, location)
    raise UnusableResponse(f"More than {MAX_REDIRECTS} redirects, the last to {url!r:.200}.")


def _accept(url: str, response: HTTPResponse, max_bytes: int) -> Fetched:
    check_status(response.status, retry_after=response.headers["Retry-After"])
    size, digest, start = _read(response, max_bytes)
    return {
        "url": url,
        "status": response.status,
        "content_type": response.headers.get("Content-Type", ""),
        "bytes": size,
        "sha256": digest,
        "text": decode_start(start, response.headers),
    }


def check_status(status: int, *, retry_after: str | None) -> None:
    """Return for a 2xx. `retry_after` is the header's value; only its form in seconds is heeded.

    Raises:
        TransientError: 5xx or 429, where another attempt may succeed.
        UnusableResponse: anything else.
    """
    if 200 <= status < 300:
        return
    if status >= 500 or status == 429:
        seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
        raise TransientError(f"The server answered {status}.", retry_after=seconds)
    raise UnusableResponse(f"The server answered {status}. Correct the URL and submit again.")


def _read(response: HTTPResponse, max_bytes: int) -> tuple[int, str, bytes]:
    """Size, SHA-256 and start of the body, holding no more than a chunk of it."""
    if (response.length or 0) > max_bytes:
        raise _too_large(max_bytes)
    size, digest, start = 0, hashlib.sha256(), b""
    while chunk := response.read(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        digest.update(chunk)
        start += chunk[: TEXT_BYTES - len(start)]
    if response.length:  # http.client says nothing about a missing rest when it reads by chunks
        raise TransientError(f"The response broke off, {response.length} bytes before its end.")
    return size, digest.hexdigest(), start


def _too_large(max_bytes: int) -> UnusableResponse:
    return UnusableResponse(f"The response is larger than {max_bytes} bytes (PETIOLE_FETCH_MAX_BYTES on the workers).")


def decode_start(start: bytes, headers: Message) -> str | None:
    """The text that `start` begins, or None if the headers do not say that it is (uncompressed) text."""
    kind = headers.get_content_type() if "Content-Type" in headers else ""
    is_text = kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml"))
    if not is_text or headers.get("Content-Encoding", "identity") != "identity":
        return None
    # Incremental: a character that the cut went through is left out rather than garbled.
    return codecs.getincrementaldecoder(_codec(headers.get_content_charset("utf-8")))("replace").decode(start)


def _codec(charset: str) -> str:
    """Only the usual ones: Python also knows codecs that decompress or that yield text which JSON cannot carry."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return "utf-8"
    return name if name in _TEXT_CODECS else "utf-8"
