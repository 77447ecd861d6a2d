"""The HTTP API as the `petiole` command calls it: every answer that is no success becomes a sentence."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from app.cli.errors import ApiUnreachable, UnexpectedAnswer, UsageProblem
from app.cli.ports import is_loopback

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0

Resource = dict[str, Any]
"""A JSON object of the API."""


class ApiClient:
    """The few calls that the command makes. Use `open_api` to make one.

    Every method raises ApiUnreachable when no answer comes or the service is not able to give one, and UsageProblem
    when the API refuses what was asked.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def submit(self, task: Mapping[str, Any]) -> Resource:
        """Submit ``{"task", "args", "kwargs", "options"}``; the new task."""
        return await self._call("POST", "/v1/tasks", task)

    async def submit_payload(self, payload: Any) -> Resource:
        """POST /tasks/submit: run the default task with this payload; ``{"task_id", "status"}``."""
        return await self._call("POST", "/tasks/submit", {"data": payload})

    async def task(self, task_id: str) -> Resource:
        """The task as it is now."""
        return await self._call("GET", task_path(task_id))

    async def cancel(self, task_id: str, *, terminate: bool = False, signal: str = "SIGTERM") -> Resource:
        """Ask the workers not to run a task, or with `terminate` to end it while it runs."""
        return await self._call("POST", task_path(task_id) + "/cancel", {"terminate": terminate, "signal": signal})

    async def workers(self) -> Resource:
        """The workers that the API knows: ``{"workers": [{"hostname", "online", …}]}``."""
        return await self._call("GET", "/v1/workers")

    async def _call(self, method: str, path: str, content: Any = None) -> Resource:
        try:
            answer = await self.http.request(method, path, json=content)
        except httpx.TransportError as error:
            raise unreachable(self.http.base_url, error) from error
        refuse_unless_ok(answer)
        return _resource(answer)


@contextlib.asynccontextmanager
async def open_api(url: str, key: str = "") -> AsyncIterator[ApiClient]:
    """A client of the API at this address, closed at the end; it shows this API key.

    Raises:
        UsageProblem: it is no http(s) address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageProblem(f"{url!r} is no address of an API. It looks like http://127.0.0.1:8000")
    shown = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    # A proxy from the environment is right for a far API and never for one on this machine.
    near = is_loopback(parts.hostname)
    async with httpx.AsyncClient(base_url=url, headers=shown, timeout=timeout, trust_env=not near) as http:
        yield ApiClient(http)


def task_path(task_id: str) -> str:
    """The path of a task; the id may contain anything."""
    return f"/v1/tasks/{quote(task_id, safe='')}"


def refuse_unless_ok(answer: httpx.Response) -> None:
    """Raise what an answer other than 2xx means. The body must have been read.

    Raises:
        UsageProblem: 4xx, the request was wrong.
        ApiUnreachable: anything else, among it 503 when Redis does not answer.
    """
    if answer.is_success:
        return
    kind = UsageProblem if answer.is_client_error else ApiUnreachable
    raise kind(describe_problem(answer))


def describe_problem(answer: httpx.Response) -> str:
    """The sentence in a problem document (RFC 9457), with the fields it names; for other bodies, the status line."""
    try:
        problem = answer.json()
        said = str(problem.get("detail") or problem["title"])
        fields = [_describe_field(field) for field in problem.get("errors") or ()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}."
    return "\n  ".join((said, *fields))


def unreachable(url: httpx.URL, error: Exception) -> ApiUnreachable:
    """The error for an API that does not answer."""
    reason = str(error) or type(error).__name__
    advice = "Start the API with `petiole up`, or name another with --url or PETIOLE_API_URL."
    return ApiUnreachable(f"No answer from {url}: {reason}. {advice}")


def _resource(answer: httpx.Response) -> Resource:
    try:
        resource = answer.json()
    except ValueError as error:
        raise UnexpectedAnswer(f"{answer.request.url} answered something that is no JSON") from error
    if not isinstance(resource, dict):
        raise UnexpectedAnswer(f"{answer.request.url} answered no JSON object")
    return resource


def _describe_field(field: Mapping[str, Any]) -> str:
    return f"{field.get('pointer', '')}: {field.get('detail', '')}"
