"""Every error as a problem document (RFC 9457), by one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.response_headers import REQUEST_ID, described
from bridge.errors import (
    BrokerUnavailable,
    ClientClosed,
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    PayloadGone,
    PublisherBusy,
    QueueNotFound,
    QueuePaused,
    QueueSaturated,
    TaskEnded,
    TaskExpired,
    TaskNotFound,
    UnreadableBytes,
)

MEDIA_TYPE = "application/problem+json"
_HEADERS = {401: ("WWW-Authenticate",), 403: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
MAX_ECHO = 200
"""Characters of somebody's input that an answer repeats."""
MAX_FIELD_ERRORS = 20
"""Fields that an answer names; a body may have a hundred thousand that are not known."""


class FieldError(BaseModel):
    """One field that is not as it must be."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the part of the request named by `in`.")
    detail: str
    in_: str = Field(alias="in", description="`body`, `query`, `path` or `header`.")


class ProblemDocument(BaseModel):
    """What every error answers."""

    type: str = Field(description="Stable name of the kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    errors: list[FieldError] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem, before it is an answer."""

    type: str
    status: int
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def fields(self, **where: str) -> dict[str, Any]:
        """The problem document, of one thing among many unless it is told `where`."""
        title = self.type.replace("-", " ").capitalize()
        return {"type": self.type, "title": title, "status": self.status, "detail": self.detail, **where, **self.more}

    def answer(self, path: str) -> JSONResponse:
        """The problem document, for the request to `path`."""
        return JSONResponse(self.fields(instance=path), self.status, dict(self.headers), MEDIA_TYPE)


class ProblemRaised(HTTPException):
    """Raised by a route to answer with a problem. An HTTPException, so that it passes FastAPI's own handling."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


def payload_invalid(errors: list[dict[str, str]]) -> Problem:
    """422: something in the request is not as it must be."""
    first = errors[0]
    detail = f"{first['in']} {first['pointer'] or 'as a whole'}: {first['detail']}"
    return Problem(type="payload-invalid", status=422, detail=detail, more={"errors": errors[:MAX_FIELD_ERRORS]})


def payload_too_large(limit: int) -> Problem:
    """413: the body has more bytes than `limit`."""
    return Problem(
        type="payload-too-large",
        status=413,
        detail=f"The body has more than {limit} bytes. Put large data elsewhere and send its address.",
        # Not "Connection: close": closing a connection with unread bytes resets it, and the client never sees this.
    )


def _again_later(kind: str) -> Callable[[Any], Problem]:
    def problem(error: BrokerUnavailable | QueueSaturated | PublisherBusy) -> Problem:
        return Problem(type=kind, status=503, detail=str(error), headers={"Retry-After": str(ceil(error.retry_after))})

    return problem


def _plain(kind: str, status: int) -> Callable[[Any], Problem]:
    return lambda error: Problem(type=kind, status=status, detail=str(error))


def _invalid(error: InvalidMessage) -> Problem:
    return payload_invalid([{"pointer": _cut(error.pointer), "detail": error.reason, "in": "body"}])


def _ended(error: TaskEnded) -> Problem:
    return Problem(type="task-ended", status=409, detail=str(error), more={"task_status": error.status})


def _stopping(_error: ClientClosed) -> Problem:
    detail = "This process is stopping. Try again, at another replica if there is one."
    return Problem(type="broker-unavailable", status=503, detail=detail, headers={"Retry-After": "1"})


_TABLE: dict[type[Exception], Callable[[Any], Problem]] = {
    InvalidMessage: _invalid,
    TaskExpired: _plain("task-expired", 410),
    TaskNotFound: _plain("task-not-found", 404),
    DuplicateTask: _plain("task-exists", 409),
    IdempotencyKeyReused: _plain("idempotency-key-reused", 422),
    HeldBack: _plain("held-back", 409),
    TaskEnded: _ended,
    PayloadGone: _plain("payload-gone", 409),
    QueueNotFound: _plain("queue-not-found", 404),
    QueuePaused: _plain("queue-paused", 409),
    QueueSaturated: _again_later("queue-saturated"),
    PublisherBusy: _again_later("queue-saturated"),
    BrokerUnavailable: _again_later("broker-unavailable"),
    ClientClosed: _stopping,
    UnreadableBytes: _plain("stored-data-unreadable", 500),
}


def problem_of(error: Exception) -> Problem:
    """What an error of the bridge is told as."""
    return next(make for kind, make in _TABLE.items() if isinstance(error, kind))(error)


async def _bridge_error(request: Request, error: Exception) -> JSONResponse:
    return problem_of(error).answer(request.url.path)


async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
    # Starlette logs the error with its stack trace after this answer.
    detail = "The server made a mistake; its log says which."
    request_id = request.scope.get("state", {}).get("request_id")  # what answers this stands before what names it
    headers = {REQUEST_ID: request_id} if request_id else {}
    return Problem(type="internal-error", status=500, detail=detail, headers=headers).answer(request.url.path)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ProblemRaised):
        return error.problem.answer(request.url.path)
    if not isinstance(error, HTTPException):
        raise error
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    problem = Problem(type=kind, status=error.status_code, detail=error.detail, headers=headers)
    return problem.answer(request.url.path)


def _allowed(request: Request) -> str:
    """The methods of the path's own routes; Starlette names those of the first alone."""
    there = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route.path for route in there if route.matches(request.scope)[0] is not Match.NONE]
    path = min(matching, key=lambda path: path.count("{"))  # "/tasks/cancel" is not the task of that id
    return ", ".join(sorted({method for route in there if route.path == path for method in route.methods or ()}))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    return invalid_request(error).answer(request.url.path)


def invalid_request(error: RequestValidationError) -> Problem:
    """422: the request is not as its route describes it."""
    return payload_invalid([_field_error(one) for one in error.errors()])


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    where, *path = error["loc"]
    if error["type"] == "json_invalid":
        return {"pointer": "", "detail": str(error["ctx"]["error"]), "in": "body"}
    if error["type"] == "model_attributes_type" and not path:
        return {"pointer": "", "detail": "must be a JSON object, sent as Content-Type: application/json", "in": "body"}
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return {"pointer": _cut(pointer), "detail": str(error["msg"]).removeprefix("Value error, "), "in": str(where)}


def _cut(pointer: str) -> str:
    return pointer[:MAX_ECHO].removesuffix("~")  # half of an escape would be no JSON pointer


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected)
    for kind in _TABLE:
        app.add_exception_handler(kind, _bridge_error)
    app.openapi = _described(app.openapi)  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _described(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def described() -> dict[str, Any]:
        """The document, without the media type that FastAPI adds to every answer whose model it is told."""
        document = openapi()
        operations = (operation for path in document["paths"].values() for operation in path.values())
        for answer in (answer for operation in operations for answer in operation["responses"].values()):
            if MEDIA_TYPE in answer.get("content", {}):
                answer["content"] = {MEDIA_TYPE: answer["content"][MEDIA_TYPE]}
        return document

    return described


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer these problems."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {
            "model": ProblemDocument,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: schema},
            "headers": described(*_HEADERS.get(status, ())),
        }
        for status in statuses
    }
