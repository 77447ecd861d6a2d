"""What stands before each route: who calls, whether it may, and how often."""

import copy
from contextlib import AbstractContextManager, ExitStack
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import access
from app.auth import Caller, Doorkeeper, Headers, forbidden
from app.entrance import Entrance
from app.errors import ProblemRaised
from app.preferences import wish
from app.rate_limit import RawHeaders
from bridge.access.api_keys import Scope as KeyScope
from bridge.errors import TaskNotFound

PARAMETER = "token"
CURSORS = frozenset({"after"})
"""Of a request with a stream token, the parameters that count beside what the token selects."""


def guarded(route: BaseRoute) -> BaseRoute:
    """A copy of `route` that lets pass whom it may, by the table of `app.access`; it needs `app.state.edge`.

    A copy, since applications share the routes.
    """
    if not isinstance(route, Route) or route.path in access.PUBLIC:
        return route
    behind = copy.copy(route)
    behind.app = Guard(route.app, route)
    return behind


class Guard:
    """Lets requests pass to a route."""

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._needs = {method: access.needed(method, route.path) for method in route.methods or ()}
        self._is_stream = route.path in access.STREAMS
        self._tells_all = route.path in access.TELL_ALL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise.

        Raises:
            ProblemRaised: 401, 403 or 429.
            TaskNotFound: a stream token is for other tasks.
            BrokerUnavailable: the key is not known here, and Redis does not answer.
        """
        entrance: Entrance = scope["app"].state.edge.entrance
        headers = dict(scope["headers"][::-1])  # of several with one name the first counts, as it does to the routes
        caller = await self._caller(scope, headers, entrance.doorkeeper)
        scope.setdefault("state", {})["caller"] = caller
        if entrance.limiter.counts:
            send = _with_headers(send, await entrance.limiter.admit(caller.key_id))
        if missing := self._missing(caller, scope):
            await _refuse(forbidden(missing), scope, receive, send)
        elif self._is_stream or _may_stay(scope):
            await self._stay(entrance.limiter.place(caller.key_id), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _caller(self, scope: Scope, headers: Headers, doorkeeper: Doorkeeper) -> Caller:
        if self._is_stream and b"token=" in scope["query_string"]:
            return await _follower(scope, doorkeeper)
        return doorkeeper.known(headers) or await doorkeeper.caller(headers)

    def _missing(self, caller: Caller, scope: Scope) -> KeyScope | None:
        """What the caller would need for this, and has not."""
        needed = self._needs[scope["method"]]
        if needed not in caller.scopes:
            return needed
        if self._tells_all and KeyScope.READ not in caller.scopes and wish(scope["headers"]):
            return KeyScope.READ
        return None

    async def _stay(self, place: AbstractContextManager[None], scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as held:
            try:
                held.enter_context(place)
            except ProblemRaised as refused:
                await _refuse(refused, scope, receive, send)
            else:
                await self._app(scope, receive, send)


async def _refuse(refused: ProblemRaised, scope: Scope, receive: Receive, send: Send) -> None:
    """Answered here, since what would answer it knows nothing of the headers that `send` adds."""
    await refused.problem.answer(Request(scope).url.path)(scope, receive, send)


async def _follower(scope: Scope, doorkeeper: Doorkeeper) -> Caller:
    """Who comes with a stream token; from here on the request asks for nothing but what the token selects.

    The token leaves the query, which servers log.
    """
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    follower = await doorkeeper.follower(dict(given).get(PARAMETER, ""))
    task_id = scope["path_params"].get("task_id")
    if task_id is not None and follower.filters and task_id not in follower.filters.get("task", ()):
        raise TaskNotFound(task_id)
    selected = [] if task_id is not None else [(name, one) for name, many in follower.filters.items() for one in many]
    scope["query_string"] = urlencode(selected + [(name, value) for name, value in given if name in CURSORS]).encode()
    return follower.caller


def _may_stay(scope: Scope) -> bool:
    return wish(scope["headers"]) is not None or b"wait=" in scope["query_string"]


def _with_headers(send: Send, headers: RawHeaders) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers
