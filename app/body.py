"""Request bodies: how large they may be, and JSON read strictly."""

import json
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ProblemRaised, payload_too_large

_DIGITS = 20
"""More than any length has; Python refuses to read thousands."""


class BodyLimit:
    """Refuses bodies of more than `limit` bytes, by their stated length at once and otherwise while they come in.

    A path in `limits` has a limit of its own.
    """

    def __init__(self, app: ASGIApp, limit: int, limits: Mapping[str, int] = MappingProxyType({})) -> None:
        self._app = app
        self._limit = limit
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated, limit = _stated_length(scope), self._limits.get(scope["path"], self._limit)
        if stated > limit:
            await payload_too_large(limit).answer(Request(scope).url.path)(scope, receive, send)
        else:
            # The server sees to it that a body has the length it states.
            await self._app(scope, receive if stated else _counted(receive, limit), send)


def _counted(receive: Receive, limit: int) -> Receive:
    came = 0

    async def receive_counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > limit:
            raise ProblemRaised(payload_too_large(limit))
        return message

    return receive_counted


def _stated_length(scope: Scope) -> int:
    """How long the body is; 0 when only its end will tell."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or b"transfer-encoding" in headers:  # the latter decides how long a body is
        return 0
    return int(length[:_DIGITS])


def _refuse(constant: str) -> NoReturn:
    raise json.JSONDecodeError(f"{constant} is not JSON; send null or a text instead", "", 0)


_STRICT = json.JSONDecoder(parse_constant=_refuse)


class StrictJsonRequest(Request):
    """Reads JSON as RFC 8259 has it: no NaN, no Infinity. Python's own reader would let them pass to the workers."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            json.JSONDecodeError: for everything that is not JSON, and JSON that cannot be read.
        """
        return read_strictly(await self.body())


def read_strictly(body: bytes) -> Any:
    """The value of JSON.

    Raises:
        json.JSONDecodeError: for everything that is not JSON, and JSON that cannot be read.
    """
    try:
        return _STRICT.decode(body.decode())
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise json.JSONDecodeError("nested too deep", "", 0) from None
    except UnicodeDecodeError:
        raise json.JSONDecodeError("is not UTF-8", "", 0) from None
    except ValueError:  # Python bounds how many digits it reads
        raise json.JSONDecodeError("has a number of too many digits", "", 0) from None


Model = TypeVar("Model", bound=BaseModel)


async def read_as(model: type[Model], request: Request) -> Model:
    """The body of `request` as `model`, read by pydantic's own strict parser.

    For a route that is called more often than all others together: FastAPI's way through a dict takes three times as
    long. The route documents its body with `documented_body`.

    Raises:
        RequestValidationError: as FastAPI raises it.
    """
    if "json" not in request.headers.get("content-type", ""):
        raise RequestValidationError([{"type": "model_attributes_type", "loc": ("body",), "msg": "", "ctx": {}}])
    return read_bytes_as(model, await request.body())


def read_bytes_as(model: type[Model], body: bytes) -> Model:
    """JSON as `model`. Raises as `read_as` does."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            return _read_slowly(model, body)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def _read_slowly(model: type[Model], body: bytes) -> Model:
    """By Python's parser, which reads half a surrogate pair, so that the field that has it can be named."""
    try:
        return model.model_validate(read_strictly(body))
    except json.JSONDecodeError as error:
        problem = {"type": "json_invalid", "loc": ("body",), "msg": error.msg, "ctx": {"error": error.msg}}
        raise RequestValidationError([problem]) from error
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def documented_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body with `read_as`."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


class DirectRoute(APIRoute):
    """A route whose function takes the request and returns the response: nothing is injected.

    For a route that is called more often than all others together: FastAPI's injection costs more than queueing a task.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        return self.endpoint


class StrictJsonRoute(APIRoute):
    """A route whose JSON body is read by `StrictJsonRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, given a stricter request."""
        handler = super().get_route_handler()

        async def strict_handler(request: Request) -> Response:
            return await handler(StrictJsonRequest(request.scope, request.receive))

        return strict_handler
