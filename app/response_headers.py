"""The headers of answers, as OpenAPI describes them: each once, among the components of the document."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

REQUEST_ID = "X-Request-ID"
RATE_LIMIT = ("RateLimit", "RateLimit-Policy")
_DESCRIPTIONS = {
    "Location": "The task.",
    "Link": 'Its stream of events: `<…/events>; rel="monitor"`.',
    "Retry-After": "When to ask or to try again, in seconds.",
    "Preference-Applied": "`wait=N`: so many seconds the answer may have waited.",
    "Idempotency-Replayed": "`true`: nothing was queued; the key came before.",
    "WWW-Authenticate": "How to send a key, or which scope the key lacks.",
    RATE_LIMIT[0]: 'With a rate limit: `"requests";r=42;t=6`, 42 are left now, and all again in 6 seconds.',
    RATE_LIMIT[1]: 'With a rate limit: `"requests";q=100;w=10`, 100 at once, which come back in 10 seconds.',
    REQUEST_ID: "What the request is called: by the header of this name that it came with, or by the service.",
}


def described(*names: str) -> dict[str, Any]:
    """The `headers` of an answer that has these, as OpenAPI has them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def install(app: FastAPI) -> None:
    """Have the document of `app` describe the headers, and say of each answer that it names its request."""
    app.openapi = _described(app.openapi)  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _described(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def with_headers() -> dict[str, Any]:
        document = openapi()
        document["components"]["headers"] = {
            name: {"description": description, "schema": {"type": "string"}}
            for name, description in _DESCRIPTIONS.items()
        }
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            for answer in operation["responses"].values():
                answer["headers"] = {**answer.get("headers", {}), **described(REQUEST_ID)}
        return document

    return with_headers
