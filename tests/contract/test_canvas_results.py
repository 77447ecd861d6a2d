"""Workflows that we start, run by a stock worker."""

from typing import Any

import pytest

from bridge import Canvas, TaskClient, chain, chord, group, signature
from bridge.errors import TaskFailed

DEADLINE = 60


def echo(*args: Any, **options: Any) -> Canvas:
    """A task that returns ``[args, kwargs]``."""
    return signature("golden.echo", args, **options)


@pytest.mark.parametrize(
    ("canvas", "result"),
    [
        (echo(1), [[1], {}]),
        (chain(echo(1), echo(2)), [[[[1], {}], 2], {}]),
        (chain(echo(1), echo(2, immutable=True)), [[2], {}]),
        (group(echo(n) for n in range(3)), [[[n], {}] for n in range(3)]),
        (chord([echo(n) for n in range(3)], echo("body")), [[[[[n], {}] for n in range(3)], "body"], {}]),
        (group(echo(1), echo(2)) | echo(3) | echo(4), [[[[[[[1], {}], [[2], {}]], 3], {}], 4], {}]),
    ],
    ids=["task", "chain", "immutable", "group", "chord", "group in a chain"],
)
async def test_a_workflow_comes_to_its_result(client: TaskClient, canvas: Canvas, result: Any) -> None:
    assert await client.run(canvas, timeout=DEADLINE) == result


async def test_a_chord_whose_header_fails_fails(client: TaskClient) -> None:
    with pytest.raises(TaskFailed):
        await client.run(chord([echo(1), signature("golden.fails")], echo("body")), timeout=DEADLINE)
