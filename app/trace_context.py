"""W3C trace context: from a request's headers to a task's, where OpenTelemetry's Celery instrumentation reads it."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{1,200})?")
_SAYS_MORE = {"tracestate": 512, "baggage": 8_192}
"""What goes with it, and how many characters of that are passed on (W3C: at least so many must be)."""


def trace_headers(headers: Headers) -> Mapping[str, str]:
    """The headers of a task that carry on the trace of a request; none when it has none, or one that is not valid.

    Members go by as they are. What is too long, or not printable, is left out: a trace is no reason to refuse a task.
    """
    parent = headers.get("traceparent")
    found = {"traceparent": parent} if parent and _TRACEPARENT.fullmatch(parent) else {}
    for name, limit in _SAYS_MORE.items():
        said = ",".join(headers.getlist(name))
        belongs = name == "baggage" or "traceparent" in found
        if said and belongs and len(said) <= limit and said.isascii() and said.isprintable():
            found[name] = said
    return found
