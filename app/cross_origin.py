"""Cross-origin requests (CORS): which pages of other origins a browser lets call the API. None, unless told."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

METHODS = ("GET", "POST")
SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-API-Key",
    "X-Request-ID",
    "baggage",
    "traceparent",
    "tracestate",
)
READ = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
MAX_AGE_SECONDS = 600
"""How long a browser remembers what it may send."""


def install(app: FastAPI, origins: list[str]) -> None:
    """Open `app` to pages of these origins, for example ``https://example.org``; ``*`` is every origin.

    Without cookies: who calls is told by a key that the page sends.
    """
    if not origins:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=READ,
        max_age=MAX_AGE_SECONDS,
    )
