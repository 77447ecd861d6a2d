"""Many tasks in one request, and submits that are sent again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.acceptance.api import Api, assert_complete
from tests.acceptance.installation import Installation
from tests.acceptance.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="package")
COUNT = 10_000
CLIENTS = 50
NDJSON = {"Content-Type": "application/x-ndjson"}
ECHO = {"task": "stock.echo", "options": {"queue": "stock"}}


def line(value: object) -> bytes:
    return json.dumps(ECHO | {"args": [value]}).encode() + b"\n"


async def trickled(*values: object) -> AsyncIterator[bytes]:
    for value in values:
        yield line(value)


async def test_fifty_clients_at_two_replicas_with_one_idempotency_key_make_one_task(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    replicas = [await lifetimes.enter_async_context(own.api()) for _ in range(2)]
    key = {"Idempotency-Key": "order-17"}
    body = {"task": "stock.echo", "args": ["once"]}
    answers = await asyncio.gather(
        *(replicas[number % 2].http.post("/v1/tasks", json=body, headers=key) for number in range(CLIENTS))
    )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotency-replayed" not in answer.headers]) == 1
    assert await own.redis.execute("LLEN", "celery") == 1
    other = await replicas[0].http.post("/v1/tasks", json=body | {"args": ["twice"]}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


async def test_ten_thousand_lines_in_one_request_are_ten_thousand_tasks(own: Installation) -> None:
    async with own.api() as api:
        answer = await api.http.post("/v1/batches", content=b"".join(map(line, range(COUNT))), headers=NDJSON)
        told = answer.json()
        assert (answer.status_code, told["accepted"], told["refused"]) == (202, COUNT, 0)
        assert len({item["task_id"] for item in told["items"]}) == COUNT
        assert await own.redis.execute("LLEN", "stock") == COUNT
        page = (await api.http.get(told["links"]["tasks"], params={"batch": told["batch_id"], "limit": 1})).json()
        assert page["tasks"][0]["batch_id"] == told["batch_id"]
        assert page["next"] is not None


async def test_all_of_an_atomic_batch_are_queued_or_none(own: Installation) -> None:
    async with own.api(PETIOLE_MAX_QUEUE_DEPTH=str(COUNT)) as api:
        items: list[Any] = [ECHO | {"args": [number]} for number in range(COUNT)]
        bad = await api.http.post("/v1/batches", json={"items": [*items[1:], {"task": ""}], "atomic": True})
        assert (bad.status_code, bad.json()["type"]) == (422, "batch-refused")
        assert [item["index"] for item in bad.json()["items"]] == [COUNT - 1]
        assert await own.redis.execute("LLEN", "stock") == 0

        good = await api.http.post("/v1/batches", json={"items": items, "atomic": True})
        assert (good.status_code, good.json()["accepted"]) == (202, COUNT)
        full = await api.http.post("/v1/batches", json={"items": items[:2], "atomic": True})
        assert (full.status_code, full.json()["type"]) == (503, "batch-refused")
        assert full.headers["retry-after"]
        assert await own.redis.execute("LLEN", "stock") == COUNT


async def test_the_events_of_a_batch_are_followed_from_the_first_to_the_last(api: Api) -> None:
    values = [f"value {number}" for number in range(20)]
    answer = await api.http.post("/v1/batches", content=trickled(*values), headers=NDJSON, params={"tags": "night"})
    told = answer.json()
    open_tasks = {item["task_id"] for item in told["items"]}
    seqs: dict[str, list[int]] = {task_id: [] for task_id in open_tasks}
    async with (
        asyncio.timeout(DEADLINE),
        api.http.stream("GET", told["links"]["events"], headers={"Accept": "text/event-stream"}) as stream,
    ):
        lines = stream.aiter_lines()
        while open_tasks:
            text = await anext(lines)
            if text.startswith("data: "):
                update = json.loads(text.removeprefix("data: "))
                seqs[update["task_id"]].append(update["seq"])
                if update.get("final"):
                    open_tasks.discard(update["task_id"])
    assert all(each == list(range(1, len(each) + 1)) for each in seqs.values())
    task = await api.task(told["items"][3]["task_id"])
    assert (task["result"], task["tags"], task["batch_id"]) == ("value 3", ["night"], told["batch_id"])


async def test_a_batch_that_breaks_off_is_finished_by_sending_it_again(api: Api) -> None:
    key = {"Idempotency-Key": "night-run"}

    async def breaking() -> AsyncIterator[bytes]:
        for number in range(300):
            yield line(number)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await api.http.post("/v1/batches", content=breaking(), headers={**NDJSON, **key})
    body = b"".join(map(line, range(600)))
    first = await api.http.post("/v1/batches", content=body, headers={**NDJSON, **key})
    again = await api.http.post("/v1/batches", content=body, headers={**NDJSON, **key})

    assert (first.json()["accepted"], again.json()["accepted"]) == (600, 600)
    assert first.json()["batch_id"] == again.json()["batch_id"]
    assert [item["task_id"] for item in first.json()["items"]] == [item["task_id"] for item in again.json()["items"]]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    tasks = (await api.http.get("/v1/tasks", params={"batch": first.json()["batch_id"], "limit": 1_000})).json()
    assert len(tasks["tasks"]) == 600


async def test_without_redis_a_batch_answers_503_and_does_not_hang(own: Installation) -> None:
    async with own.api() as api:
        await own.server.kill()
        async with asyncio.timeout(DEADLINE):
            for atomic in (False, True):
                answer = await api.http.post("/v1/batches", json={"items": [ECHO], "atomic": atomic})
                assert (answer.status_code, answer.json()["type"]) == (503, "broker-unavailable")


async def test_another_batch_with_the_same_key_is_refused_and_queues_nothing(own: Installation) -> None:
    async with own.api() as api:
        key = {"Idempotency-Key": "b1"}
        items = [ECHO | {"args": [number]} for number in range(3)]
        first = await api.http.post("/v1/batches", json={"items": items}, headers=key)
        for other in ([*items, ECHO], items[:2], [*items[:2], ECHO]):
            body = b"".join(json.dumps(item).encode() + b"\n" for item in other)
            for answer in (
                await api.http.post("/v1/batches", json={"items": other}, headers=key),
                await api.http.post("/v1/batches", content=body, headers={**NDJSON, **key}),
            ):
                assert (answer.status_code, answer.json()["type"]) == (422, "idempotency-key-reused")
                assert "'b1' came" in answer.json()["detail"]
        assert await own.redis.execute("LLEN", "stock") == 3
        again = await api.http.post("/v1/batches", json={"items": items}, headers=key)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == first.json()


async def test_the_events_of_a_batch_that_was_sent_again_are_those_from_the_first_on(api: Api) -> None:
    sent: dict[str, Any] = {"json": {"items": [ECHO | {"args": [1]}]}, "headers": {"Idempotency-Key": "seen-late"}}
    first = (await api.http.post("/v1/batches", **sent)).json()
    task_id = first["items"][0]["task_id"]
    assert_complete(await api.follow(task_id))
    again = (await api.http.post("/v1/batches", **sent)).json()
    assert again["links"] == first["links"]
    told = (await api.http.get(again["links"]["events"], headers={"Accept": "application/json"})).json()
    assert [update["status"] for update in told["updates"]] == [one["status"] for one in await api.history(task_id)]
