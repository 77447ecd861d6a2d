"""One connection follows many tasks, each to its end."""

import asyncio
import json
from collections import defaultdict

import pytest

from app.cli.following.sse_client import EventParser
from tests.acceptance.api import Api, Document
from tests.acceptance.installation import Installation

pytestmark = pytest.mark.asyncio(loop_scope="package")
MANY = 1_000
WITHIN = 90
DROPPED_AFTER = 700
"""Updates that a connection brings before its client drops it and comes back."""
TAG = "a thousand"


@pytest.mark.parametrize("by", ["tag", "task"])
async def test_one_stream_follows_a_thousand_tasks_to_their_ends_and_misses_nothing_when_it_is_dropped(
    api: Api, shared: Installation, by: str
) -> None:
    tag = f"{TAG} by {by}"
    items = [{"task": "stock.add", "args": [number, 1], "options": {"queue": "stock"}} for number in range(MANY)]
    begin = (await api.http.get("/v1/events", params={"tag": tag}, headers={"Accept": "application/json"})).json()
    answer = await api.http.post("/v1/batches", json={"items": items, "tags": [tag]})
    task_ids = [item["task_id"] for item in answer.json()["items"]]
    selected = [("tag", tag)] if by == "tag" else [("task", task_id) for task_id in task_ids]

    updates = await _ends_of(api, [*selected, ("after", begin["cursor"])])

    assert updates.keys() == set(task_ids)
    for number, task_id in enumerate(task_ids):
        told = updates[task_id]
        assert [update["seq"] for update in told] == list(range(1, len(told) + 1))
        assert (told[-1]["status"], told[-1]["result"]) == ("succeeded", number + 1)


async def _ends_of(api: Api, asked: list[tuple[str, str]]) -> dict[str, list[Document]]:
    """The updates of each task, up to the end of the last. The connection is dropped every few hundred updates."""
    updates: dict[str, list[Document]] = defaultdict(list)
    ended = 0
    headers: dict[str, str] = {}
    async with asyncio.timeout(WITHIN):
        while ended < MANY:
            parser, heard = EventParser(), 0
            async with api.http.stream("GET", "/v1/events", params=tuple(asked), headers=headers) as stream:
                assert stream.status_code == 200, await stream.aread()
                async for chunk in stream.aiter_bytes():
                    for event in parser.feed(chunk):
                        headers = {"Last-Event-ID": event.id or ""}
                        update = json.loads(event.data)
                        updates[update["task_id"]].append(update)
                        ended, heard = ended + bool(update.get("final")), heard + 1
                    if heard >= DROPPED_AFTER or ended == MANY:
                        break
    return updates
