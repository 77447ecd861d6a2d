"""What comes of chords whose header fails: no body is waited for that a stock worker tells nothing."""

import asyncio
import gc
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import celery
import pytest
from celery import Celery

import bridge
from bridge import Canvas, TaskClient
from bridge.errors import TaskFailed
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.planned_steps import GRACE_MS, TOLD_GRACE_MS, PlannedSteps
from tests.contract.canvas_calls import producer
from tests.integration.submissions import until

DEADLINE = 30
NAMES = {"ok": "golden.echo", "fails": "golden.fails", "typo": "no.such.task"}


def shapes(canvas: Any, task: Any) -> dict[str, tuple[Any, str]]:
    """Chords, made by our names or by Celery's, and the error that each comes to."""
    ok, fails, typo = task("ok"), task("fails"), task("typo")
    chord, chain, group = canvas.chord, canvas.chain, canvas.group
    return {
        "a task that no worker knows": (chord([typo, ok], ok), "NotRegistered"),
        "a chord in a header": (chord([chord([fails, ok], ok), ok], ok), "ChordError"),
        "a chord as a body": (chord([ok, fails], chord([ok, ok], ok)), "ValueError"),
        "a chain to a group as a body": (chord([ok, fails], chain(ok, group(ok, ok))), "ValueError"),
        "a group as a body": (chord([ok, fails], group(ok, ok)), "ValueError"),
    }


def ours(name: str) -> Canvas:
    return bridge.signature(NAMES[name], immutable=True)


OURS = shapes(bridge, ours)


@pytest.mark.parametrize(("canvas", "error"), OURS.values(), ids=OURS)
async def test_a_chord_whose_header_fails_comes_to_an_error(client: TaskClient, canvas: Canvas, error: str) -> None:
    handle = await client.start(canvas)
    for _ in range(2):
        with pytest.raises(TaskFailed) as raised:
            await handle.result(DEADLINE)
        assert raised.value.type == error


@pytest.mark.parametrize("canvas", [canvas for canvas, _ in OURS.values()], ids=OURS)
async def test_a_chord_whose_header_fails_is_followed_to_the_end_of_all_its_tasks(
    client: TaskClient, shared_url: str, canvas: Canvas
) -> None:
    settings = BridgeSettings.load(redis_url=shared_url)
    handle = await client.start(canvas)
    task_ids: set[str] = set()

    async def follow() -> None:
        async for update in handle.follow():
            task_ids.add(update.task_id)

    async with Redis.open(shared_url, settings) as redis, StatusStore.open(redis, settings) as store:
        planned, now_ms = PlannedSteps(store), count(int(time.time() * 1000) + TOLD_GRACE_MS, GRACE_MS)

        async def all_have_ended() -> bool:
            await planned.conclude(next(now_ms))
            return all([(await store.record(task_id)).final for task_id in task_ids])

        async with asyncio.timeout(DEADLINE):
            stream = asyncio.create_task(follow())
            with pytest.raises(TaskFailed):
                await handle.result()
            await until(all_have_ended)
            await stream


@pytest.fixture
def app(shared_url: str, worker: None) -> Iterator[Celery]:
    """A producer of Celery's whose results are not collected while it subscribes, for then it waits for ever."""
    gc.disable()
    with producer(shared_url) as made:
        yield made
    gc.enable()


@pytest.mark.parametrize("shape", [shape for shape in OURS if not shape.endswith("group as a body")])
def test_celery_says_the_same_of_a_chord_whose_header_fails(app: Celery, shape: str) -> None:
    """Where the result is a group, Celery's ``get`` does not look at what runs before, so it may wait for ever."""
    canvas, error = shapes(celery, lambda name: app.signature(NAMES[name], immutable=True))[shape]
    assert error_of(canvas.apply_async()) == error


def error_of(result: Any) -> str:
    try:
        return f"no error, but {result.get(timeout=DEADLINE)}"
    except Exception as error:
        return type(error).__name__
