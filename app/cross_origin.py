"""Cross-origin requests (CORS): which pages of other origins a browser lets call the API. None, unless told."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from app.errors import Problem

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


class CrossOrigin(CORSMiddleware):
    """Starlette's, but what it refuses before a call is told as every other problem is."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to what a browser asks before it calls."""
        answer = super().preflight_response(request_headers)
        return answer if answer.status_code == HTTPStatus.OK else _Refusal(answer)


class _Refusal(Response):
    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code)
        self._kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"{bytes(self.body).decode()}: this service does not let a page of that origin send this."
        problem = Problem(type="cross-origin-refused", status=self.status_code, detail=detail, headers=self._kept)
        await problem.answer(Request(scope).url.path)(scope, receive, send)


def install(app: FastAPI, origins: list[str]) -> None:
    """Open `app` to pages of these origins, for example ``https://example.org``; ``*`` is every origin.

    Without cookies: who calls is told by a key that the page sends.
    """
    if not origins:
        return
    app.add_middleware(
        CrossOrigin,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=READ,
        max_age=MAX_AGE_SECONDS,
    )
