"""A browser's own `EventSource` follows a task, with a stream token and from another origin, whatever the API does."""

from pathlib import Path

import httpx
import pytest

from bridge.protocol.state import Status
from tests.acceptance.api import Api
from tests.acceptance.browser import Page
from tests.acceptance.installation import Installation
from tests.acceptance.pace import Pace
from tests.acceptance.test_keys import KEYS, made

pytestmark = pytest.mark.asyncio(loop_scope="package")
STEPS = 6
NAMES = [*Status, "progress", "output", "log", "reset", "closing"]


@pytest.mark.parametrize("gently", [True, False], ids=["stopped", "killed"])
async def test_an_event_source_has_every_update_once_though_the_api_is_restarted_and_then_it_stops(
    shared: Installation, tmp_path: Path, gently: bool
) -> None:
    key = {"Authorization": f"Bearer {(await made(shared))['key']}"}
    async with (
        Page.serve() as page,
        shared.api(**KEYS, PETIOLE_CORS_ORIGINS=page.origin, PETIOLE_RECONNECT_MS="200") as api,
    ):
        api.http.headers.update(key)
        task_id = await api.submit("stock.paced", STEPS, queue="stock")
        pace = Pace.of(shared, task_id)
        async with page.following(await _address(api, task_id), NAMES, tmp_path):
            await pace.runs()
            await pace.step(2)
            heard = [*await page.until("progress"), *await page.until("progress")]
            if gently:
                await api.child.stop()
            else:
                await api.child.kill()
            await pace.step(2)  # nobody tells the browser of these while there is no API
            heard += await page.until("broken")
            await api.child.start()
            await api.child.ready()
            await pace.step(STEPS - 4)
            heard += await page.until("stopped")
    updates = [one for one in heard if one["name"] not in ("broken", "closing", "stopped")]
    assert [int(one["id"]) for one in updates] == list(range(1, len(updates) + 1))
    assert [one["data"]["seq"] for one in updates] == list(range(1, len(updates) + 1))
    assert updates[-1]["name"] == "succeeded"
    assert [one["data"]["progress"]["current"] for one in updates if one["name"] == "progress"] == [1, 2, 3, 4, 5, 6]


async def _address(api: Api, task_id: str) -> str:
    """Where a browser follows the task: it cannot send the key."""
    answer = await api.http.post("/v1/stream-tokens", json={"task": [task_id]})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return f"{api.http.base_url}/v1/tasks/{task_id}/events?token={answer.json()['token']}"
