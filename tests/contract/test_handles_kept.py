"""Handles are kept over a restart as Celery keeps results, and each reads what the other has written."""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.result import result_from_tuple

from bridge import Canvas, ChainHandle, GroupHandle, TaskClient, TaskHandle, chain, chord, group, open_client, signature
from bridge.errors import UnreadableBytes
from tests.contract.canvas_calls import CALLS, Call, build_celerys, producer, task

DEADLINE = 30
one = signature("golden.echo", (1,), immutable=True)
ONE = [[1], {}]
KEPT: dict[str, tuple[Canvas, type, Any]] = {
    "a task": (one, TaskHandle, ONE),
    "a chain": (chain(one, one), ChainHandle, ONE),
    "a group": (group(one, chain(one, one)), GroupHandle, [ONE, ONE]),
    "a chord": (chord([one, one], one), ChainHandle, ONE),
    "a group after a task": (chain(one, group(one, one)), GroupHandle, [ONE, ONE]),
}


@pytest.fixture
def app(shared_url: str) -> Iterator[Celery]:
    with producer(shared_url) as made:
        yield made


def as_json(written: Any) -> Any:
    return json.loads(json.dumps(written))


@pytest.mark.parametrize(("canvas", "kind", "result"), KEPT.values(), ids=KEPT)
async def test_a_handle_is_kept_for_another_client(client: TaskClient, canvas: Canvas, kind: type, result: Any) -> None:
    written = json.dumps((await client.start(canvas)).as_tuple())
    async with open_client(client.settings) as another:
        handle = another.handle_from_tuple(json.loads(written))
        assert type(handle) is kind
        assert json.dumps(handle.as_tuple()) == written
        assert await handle.result(DEADLINE) == result


@pytest.mark.parametrize("canvas", [canvas for canvas, _, _ in KEPT.values()], ids=KEPT)
async def test_celery_reads_a_handle_that_was_kept(client: TaskClient, app: Celery, canvas: Canvas) -> None:
    written = (await client.start(canvas)).as_tuple()
    assert as_json(result_from_tuple(tuple(written), app).as_tuple()) == written


async def test_a_result_of_celerys_that_was_kept_is_read(client: TaskClient, app: Celery) -> None:
    for name, call in CALLS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Celery tells of a default that may change
            written = build_celerys(call, app).freeze().as_tuple()
        assert client.handle_from_tuple(written).as_tuple() == as_json(written), name


async def test_what_becomes_of_a_result_of_celerys_that_was_kept_is_told(client: TaskClient, app: Celery) -> None:
    sent = build_celerys(Call(kind="chain", tasks=(task(), task())), app).apply_async()
    assert await client.handle_from_tuple(sent.as_tuple()).result(DEADLINE) == [[[[], {}]], {}]


async def test_what_is_no_handle_is_refused(client: TaskClient) -> None:
    with pytest.raises(UnreadableBytes):
        client.handle_from_tuple(["a", None])
