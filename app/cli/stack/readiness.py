"""When a service is ready, asked over HTTP. Each answer is one request; who asks decides how often."""

from collections.abc import Awaitable, Callable

import httpx

Ready = Callable[[], Awaitable[bool]]


def answers_ok(http: httpx.AsyncClient, url: str) -> Ready:
    """Whether a GET of this address answers 200."""

    async def ask() -> bool:
        try:
            return (await http.get(url)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return ask


def worker_is_online(http: httpx.AsyncClient, api_url: str, node: str) -> Ready:
    """Whether the API knows a worker as online whose name before the @ is `node`."""

    async def ask() -> bool:
        try:
            workers = (await http.get(f"{api_url}/v1/workers")).json()["workers"]
        except (httpx.TransportError, ValueError, KeyError, TypeError):
            return False
        return any(worker["online"] and worker["hostname"].startswith(f"{node}@") for worker in workers)

    return ask
