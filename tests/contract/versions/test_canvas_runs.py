"""A stock worker of each version runs our workflows, and we await those that Celery started."""

from typing import Any

import pytest

from bridge import Canvas, GroupHandle, TaskClient, TaskHandle, chain, chord, chunks, group, signature, xmap, xstarmap
from bridge.errors import TaskFailed
from bridge.protocol.signature import Signature
from tests.contract.beside import Beside
from tests.contract.versions.installation import DEADLINE

pytestmark = pytest.mark.timeout(600)


def echo(*args: Any, **options: Any) -> Signature:
    """A task that returns ``[args, kwargs]``."""
    return signature("golden.echo", args, **options)


THREE = [[[number], {}] for number in range(3)]
CANVASES: dict[str, tuple[Canvas, Any]] = {
    "chain": (chain(echo(1), echo(2)), [[[[1], {}], 2], {}]),
    "group": (group(echo(number) for number in range(3)), THREE),
    "chord": (chord([echo(number) for number in range(3)], echo("body")), [[THREE, "body"], {}]),
    "nested": (
        chain(echo(1, immutable=True), group(echo(2), chain(echo(3), echo(4))), echo(5)),
        [[[[[[[1], {}], 2], {}], [[[[[[1], {}], 3], {}], 4], {}]], 5], {}],
    ),
}
"""Workflows and what they come to; the same as in tests/contract/celery_beside.py."""
MORE: dict[str, tuple[Canvas, Any]] = {
    "immutable": (chain(echo(1), echo(2, immutable=True)), [[2], {}]),
    "group that ends a chain": (chain(echo(1), group(echo(2), echo(3))), [[[[[1], {}], n], {}] for n in (2, 3)]),
    "chord of chains": (
        chord([chain(echo(n), echo(n)) for n in range(2)], echo()),
        [[[[[[[n], {}], n], {}] for n in range(2)]], {}],
    ),
    "chord in a chord": (chord([chord([echo(1)], echo()), echo(2)], echo()), [[[[[[[[1], {}]]], {}], [[2], {}]]], {}]),
    "chain that ends in a group, in a header": (
        chord([echo(1), echo(2), chain(echo(3), group(echo(4), echo(5)))], echo()),
        [[[[[1], {}], [[2], {}], [[[[[3], {}], n], {}] for n in (4, 5)]]], {}],
    ),
    "chord with a group as body, in a header": (
        chord([echo(1), echo(2), chord([echo(3)], group(echo(4), echo(5)))], echo()),
        [[[[[1], {}], [[2], {}], [[[[[[3], {}]], n], {}] for n in (4, 5)]]], {}],
    ),
    "chunks": (chunks(echo(), [(1,), (2,), (3,)], 2), [[[[1], {}], [[2], {}]], [[[3], {}]]]),
    "map": (xmap(echo(), [1, 2]), [[[1], {}], [[2], {}]]),
    "starmap": (xstarmap(echo(), [[1, 2], [3]]), [[[1, 2], {}], [[3], {}]]),
}


def ids(handle: TaskHandle | GroupHandle) -> list[Any]:
    """A handle as Celery writes a result, ``as_tuple``."""
    parent = ids(handle.parent) if handle.parent else None
    if isinstance(handle, TaskHandle):
        return [[handle.task_id, parent], None]
    return [[handle.group_id, parent], [ids(child) for child in handle.children]]


@pytest.mark.parametrize("name", [*CANVASES, *MORE])
async def test_a_workflow_comes_to_its_result(client: TaskClient, version: str, name: str) -> None:
    canvas, result = (CANVASES | MORE)[name]
    assert await client.run(canvas, timeout=DEADLINE) == result


async def test_a_chord_whose_header_fails_fails(client: TaskClient) -> None:
    with pytest.raises(TaskFailed, match="ChordError"):
        await client.run(chord([echo(1), signature("golden.fails")], echo("body")), timeout=DEADLINE)


async def test_a_chord_that_is_sent_again_under_its_id_runs_again(client: TaskClient) -> None:
    for body in ("first", "second"):
        canvas = chord([echo(1), echo(2)], echo(body)).set(task_id="again")
        handle = await client.start(canvas, record=False)
        assert await handle.result(DEADLINE) == [[[[[1], {}], [[2], {}]], body], {}]
        await handle.forget()


@pytest.mark.parametrize("name", [*CANVASES, *MORE])
async def test_celerys_results_read_our_workflows(client: TaskClient, celery: Beside, name: str) -> None:
    canvas, result = (CANVASES | MORE)[name]
    handle = await client.start(canvas)
    assert await celery.call("results", tree=ids(handle)) == result


@pytest.mark.parametrize("name", CANVASES)
async def test_we_await_workflows_that_celery_started(client: TaskClient, celery: Beside, name: str) -> None:
    (task_id, _parent), children = await celery.call("start", canvas=name)
    if children is None:
        result: Any = await client.result(task_id, DEADLINE)
    else:
        result = [await client.result(child, DEADLINE) for (child, _), _ in children]
    assert result == CANVASES[name][1]
