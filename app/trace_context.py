"""W3C trace context: from a request's headers to a task's, where OpenTelemetry's Celery instrumentation reads it."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{1,200})?")
_SAYS_MORE = {"tracestate": 512, "baggage": 8_192}
"""What goes with it, and how many characters of that are passed on (W3C: at least so many must be)."""
_OF_A_TRACE = frozenset(name.encode() for name in ("traceparent", *_SAYS_MORE))


def trace_headers(headers: Headers) -> Mapping[str, str]:
    """The headers of a task that carry on the trace of a request; none when it has none, or one that is not valid.

    Members go by as they are. What is too long, or not printable, is left out: a trace is no reason to refuse a task.
    """
    said: dict[str, str] = {}
    for raw_name, raw_value in headers.raw:
        if raw_name in _OF_A_TRACE:  # one pass, for every submit comes by here and few have any
            name, value = raw_name.decode(), raw_value.decode("latin-1")
            said[name] = f"{said[name]},{value}" if name in said else value
    return {name: value for name, value in said.items() if _is_valid(name, said)}


def _is_valid(name: str, said: Mapping[str, str]) -> bool:
    value = said[name]
    if name == "traceparent":
        return _TRACEPARENT.fullmatch(value) is not None
    belongs = name == "baggage" or ("traceparent" in said and _is_valid("traceparent", said))
    return belongs and len(value) <= _SAYS_MORE[name] and value.isascii() and value.isprintable() and value != ""
