"""What the headers of a request say of the task that it submits."""

from collections.abc import Mapping

from fastapi import Request

from app.idempotency import idempotency_key
from app.trace_context import trace_headers
from bridge import SubmitOptions

NOTHING: SubmitOptions = {}


def submit_options(request: Request, given: SubmitOptions = NOTHING) -> SubmitOptions:
    """The options that were given, the request's `Idempotency-Key`, and its trace in the task's headers.

    Raises:
        ProblemRaised: the key is none.
    """
    options = with_trace(given, trace_headers(request.headers))
    key = idempotency_key(request)
    return {**options, "idempotency_key": key} if key else options


def with_trace(options: SubmitOptions, trace: Mapping[str, str]) -> SubmitOptions:
    """The options with a trace in the task's headers, where those that were given stand first."""
    return {**options, "headers": {**trace, **(options.get("headers") or {})}} if trace else options
