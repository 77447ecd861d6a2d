"""Which scope each route needs, in one table, and what OpenAPI says of it.

A route that stands in neither of the two needs `admin`, so that a forgotten one is not open.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from app.errors import documented
from app.response_headers import RATE_LIMIT, described
from bridge.access.api_keys import Scope

NEEDED = {
    ("POST", "/tasks/submit"): Scope.SUBMIT,
    ("POST", "/v1/tasks"): Scope.SUBMIT,
    ("POST", "/v1/task-types/{name}/tasks"): Scope.SUBMIT,
    ("POST", "/v1/batches"): Scope.SUBMIT,
    ("POST", "/v1/workflows"): Scope.SUBMIT,
    ("GET", "/v1/task-types"): Scope.READ,
    ("GET", "/v1/task-types/{name}"): Scope.READ,
    ("GET", "/v1/tasks"): Scope.READ,
    ("GET", "/v1/events"): Scope.READ,
    ("GET", "/v1/tasks/{task_id}"): Scope.READ,
    ("GET", "/v1/tasks/{task_id}/result"): Scope.READ,
    ("GET", "/v1/tasks/{task_id}/history"): Scope.READ,
    ("GET", "/v1/tasks/{task_id}/events"): Scope.READ,
    ("POST", "/v1/stream-tokens"): Scope.READ,
    ("POST", "/v1/tasks/{task_id}/cancel"): Scope.CONTROL,
    ("POST", "/v1/tasks/{task_id}/replay"): Scope.CONTROL,
    ("POST", "/v1/tasks/cancel"): Scope.CONTROL,
    ("POST", "/v1/tasks/replay"): Scope.CONTROL,
    ("GET", "/v1/queues"): Scope.ADMIN,
    ("GET", "/v1/queues/{queue}"): Scope.ADMIN,
    ("POST", "/v1/queues/{queue}/pause"): Scope.ADMIN,
    ("POST", "/v1/queues/{queue}/resume"): Scope.ADMIN,
    ("POST", "/v1/queues/{queue}/purge"): Scope.ADMIN,
    ("GET", "/v1/workers"): Scope.ADMIN,
    ("GET", "/metrics"): Scope.ADMIN,
}
"""By method and path. Queues, workers and metrics are of all owners, so they are not for one of them."""
PUBLIC = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"})
"""Paths that ask nobody: what load balancers look at, and the documentation."""
STREAMS = frozenset({"/v1/tasks/{task_id}/events", "/v1/events"})
"""Paths that take a stream token: they read which tasks from their path or their query, and nowhere else."""
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, `ptl_…`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
    "streamToken": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "From `POST /v1/stream-tokens`, for an EventSource, which can send no headers.",
    },
}
TELL_ALL = frozenset(
    {
        "/tasks/submit",
        "/v1/tasks",
        "/v1/task-types/{name}/tasks",
        "/v1/workflows",
        "/v1/tasks/{task_id}/replay",
    }
)
"""Paths whose submit tells what becomes of the task when it is asked to wait or to stream: that is to read as well."""
_PROBLEMS = {str(status): answer for status, answer in documented(401, 403, 429).items()}
_UNKNOWN = "401"
"""Whose request it is is not known, so it is of no rate limit."""


def needed(method: str, path: str) -> Scope:
    """The scope that a route needs that is not public."""
    return NEEDED.get((method, path), Scope.ADMIN)


def install(app: FastAPI) -> None:
    """Have OpenAPI say which operations need a key, and how they answer without."""
    app.openapi = _secured(app.openapi)  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _secured(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def secured() -> dict[str, Any]:
        document = openapi()
        document["components"]["securitySchemes"] = SCHEMES
        for path in document["paths"].keys() - PUBLIC:
            for method, operation in document["paths"][path].items():
                _secure(operation, needed(method.upper(), path), is_stream=path in STREAMS)
        return document

    return secured


def _secure(operation: dict[str, Any], scope: Scope, *, is_stream: bool) -> None:
    names = SCHEMES if is_stream else ("bearer", "apiKey")
    operation["security"] = [{name: [scope]} for name in names]
    for status, answer in _PROBLEMS.items():
        known = {name: answer[name] for name in ("description", "content", "headers")}
        operation["responses"].setdefault(status, known)
    for status, answer in operation["responses"].items():
        if status != _UNKNOWN:
            answer["headers"] = {**answer.get("headers", {}), **described(*RATE_LIMIT)}
