"""Whether the pages for people answer: Swagger of the API, and Flower with the tasks it should have heard of."""

import asyncio
from collections.abc import Collection

import httpx

from app.cli.stack.services import Addresses

HEARD_WITHIN = 10.0
POLL_SECONDS = 0.25


async def dashboard_complaints(http: httpx.AsyncClient, at: Addresses, task_ids: Collection[str]) -> list[str]:
    """What is wrong with the pages; empty when both answer and Flower shows all these tasks."""
    complaints = [
        f"{url} does not answer"
        for url in (f"{at.api}/docs", f"{at.api}/openapi.json", at.flower)
        if not await _answers(http, url)
    ]
    missing = await _not_heard_of(http, at.flower, task_ids)
    return complaints + ([f"Flower shows no task {', '.join(sorted(missing))}"] if missing else [])


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url, follow_redirects=True)).is_success
    except httpx.TransportError:
        return False


async def _not_heard_of(http: httpx.AsyncClient, flower: str, task_ids: Collection[str]) -> set[str]:
    """Flower hears of tasks through events, a moment after we do."""
    missing = set(task_ids)
    for _ in range(round(HEARD_WITHIN / POLL_SECONDS)):
        missing -= await _tasks_in(http, flower)
        if not missing:
            break
        await asyncio.sleep(POLL_SECONDS)
    return missing


async def _tasks_in(http: httpx.AsyncClient, flower: str) -> set[str]:
    try:
        return set((await http.get(f"{flower}/api/tasks")).json())
    except (httpx.TransportError, ValueError):
        return set()
