"""What handles of workflows say while a stock worker runs them."""

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from bridge import (
    Cancelled,
    Canvas,
    ChainHandle,
    GroupHandle,
    StatusUpdate,
    TaskClient,
    TaskHandle,
    chain,
    chord,
    group,
    signature,
)
from bridge.errors import TaskCancelled, TaskEnded, TaskFailed, TaskNotFound
from bridge.protocol.canvas.results import ResultNode
from bridge.protocol.state import Status

DEADLINE = 30


def echo(*args: Any, **options: Any) -> Canvas:
    """A task that returns ``[args, kwargs]``."""
    return signature("golden.echo", args, **options)


fails = signature("golden.fails", immutable=True)
naps = signature("golden.naps", (60,), immutable=True)
THREE = [[[number], {}] for number in range(3)]
several = group(echo(number, immutable=True) for number in range(3))


async def started(client: TaskClient, canvas: Canvas) -> Any:
    return await client.start(canvas)


async def followed(handle: ChainHandle | GroupHandle, **after: Any) -> dict[str, list[StatusUpdate]]:
    """The updates of each task, to the end of the stream; none is missing and none comes twice."""
    told: dict[str, list[StatusUpdate]] = {}
    async with asyncio.timeout(DEADLINE):
        async for update in handle.follow(**after):
            told.setdefault(update.task_id, []).append(update)
    for updates in told.values():
        first = updates[0].seq
        assert [update.seq for update in updates] == list(range(first, first + len(updates)))
    return told


def ends(told: dict[str, list[StatusUpdate]]) -> Counter[Status]:
    return Counter(updates[-1].status for updates in told.values() if updates[-1].final)


async def test_a_group_is_followed_on_one_stream_to_the_end_of_its_last_task(client: TaskClient) -> None:
    handle = await started(client, group(several, chain(echo(3), echo(4))))
    told = await followed(handle)
    assert ends(told) == {Status.SUCCEEDED: 5}
    assert all(updates[0].seq == 1 for updates in told.values())
    assert await handle.counts() == {Status.SUCCEEDED: 5}


async def test_a_chain_is_followed_through_all_its_steps(client: TaskClient) -> None:
    handle = await started(client, chain(echo(1), several, echo(2), echo(3)))
    first, header, second, third = handle.steps
    told = await followed(handle)
    assert told.keys() == {step.task_id for step in (first, second, third, *header.children)}
    assert ends(told) == {Status.SUCCEEDED: 6}
    assert await third.result(DEADLINE) == await handle.result(DEADLINE)


async def test_a_stream_goes_on_after_the_positions_it_is_given(client: TaskClient) -> None:
    handle = await started(client, group(echo(1), echo(2)))
    whole = await followed(handle)
    one, other = (child.task_id for child in handle.children)
    rest = await followed(handle, after={one: 1, other: len(whole[other])})
    assert rest == {one: whole[one][1:]}
    assert await followed(handle, after=1) == {task_id: updates[1:] for task_id, updates in whole.items()}


@pytest.mark.parametrize(
    "canvas",
    [chain(echo(1), fails, echo(2), several), chord([echo(1), fails], echo())],
    ids=["a chain", "a chord"],
)
async def test_a_stream_ends_when_the_rest_will_never_run(client: TaskClient, canvas: Canvas) -> None:
    handle = await started(client, canvas)
    assert ends(await followed(handle)).keys() == {Status.SUCCEEDED, Status.FAILED}


async def test_a_stream_ends_when_a_chain_in_a_header_has_failed(client: TaskClient) -> None:
    handle = await started(client, chord([chain(fails, echo())], chain(echo(), echo())))
    told = await followed(handle)
    assert ends(told).keys() == {Status.FAILED}
    assert handle.task_id in told


async def test_an_empty_group_is_followed_to_its_end_at_once(client: TaskClient) -> None:
    handle = await started(client, group())
    assert await followed(handle) == {}
    assert await handle.result(DEADLINE) == []


async def test_a_workflow_of_which_nothing_is_known_is_not_found(client: TaskClient) -> None:
    handle = ChainHandle(client, ResultNode(id="nobody", parent=ResultNode(id="nobody else")))
    with pytest.raises(TaskNotFound):
        await followed(handle)


@pytest.mark.parametrize("canvas", [chain(echo(1), fails, echo(2)), chain(fails, group(echo(1), echo(2)))])
async def test_what_follows_a_step_that_fails_fails_with_it(client: TaskClient, canvas: Canvas) -> None:
    with pytest.raises(TaskFailed, match="it's broken"):
        await client.run(canvas, timeout=DEADLINE)


async def test_a_chord_that_fails_says_which_of_its_tasks_did(client: TaskClient) -> None:
    handle = await started(client, chain(echo(1), group(echo(2), fails), echo(3)))
    _, header, _body = handle.steps
    with pytest.raises(TaskFailed, match="ChordError") as raised:
        await handle.result(DEADLINE)
    assert header.children[1].task_id in str(raised.value)
    with pytest.raises(TaskFailed, match="ValueError"):
        await header.result(DEADLINE)


async def test_a_step_that_ignores_its_result_holds_up_nobody(client: TaskClient) -> None:
    ignored = echo(1).set(ignore_result=True)
    assert await client.run(chain(ignored, echo(2)), timeout=DEADLINE) == [[[[1], {}], 2], {}]


async def test_a_cancelled_group_and_what_runs_before_it_stop(client: TaskClient) -> None:
    handle = await started(client, chain(naps, several))
    async with aclosing(handle.follow()) as stream:
        async for update in stream:
            if update.status is Status.RUNNING:
                break
    assert await handle.cancel(terminate=True) == {handle.parent.task_id: Cancelled.REQUESTED}
    assert ends(await followed(handle)).keys() == {Status.CANCELLED}  # the members are told of, or never heard of
    with pytest.raises(TaskCancelled):
        await handle.result(DEADLINE)


async def test_a_chain_whose_first_step_waits_is_cancelled_for_good(client: TaskClient) -> None:
    handle = await started(client, chain(echo(1).set(countdown=300, queue="nobody"), echo(2)))
    assert await handle.cancel() is Cancelled.NEVER_RAN
    with pytest.raises(TaskCancelled):
        await handle.result(DEADLINE)
    told = [update.status async for update in client.follow(handle.task_id)]  # workers store that they were told
    assert told == [Status.SUBMITTED, Status.CANCELLED]
    with pytest.raises(TaskEnded):
        await handle.cancel()


async def test_a_chain_that_has_ended_cannot_be_cancelled(client: TaskClient) -> None:
    handle = await started(client, chain(echo(1), echo(2)))
    await followed(handle)
    with pytest.raises(TaskEnded):
        await handle.cancel()


async def test_results_of_all_tasks_are_forgotten(client: TaskClient) -> None:
    handle = await started(client, group(chain(echo(1), echo(2)), echo(3)))
    await handle.result(DEADLINE)
    ids = [handle.children[0].parent.task_id, handle.children[0].task_id, handle.children[1].task_id]
    assert all([await client.stored_result(task_id) for task_id in ids])
    await handle.forget()
    assert not any([await client.stored_result(task_id) for task_id in ids])


async def test_the_children_of_a_task_are_those_that_it_started(client: TaskClient) -> None:
    parent = await client.submit("golden.starts")
    await parent.result(DEADLINE)
    one, others = await parent.children()
    assert isinstance(one, TaskHandle)
    assert await one.result(DEADLINE) == [[1], {}]
    assert await others.result(DEADLINE) == [[[2], {}], [[3], {}]]
    assert await one.children() == ()


@pytest.mark.parametrize(
    ("to", "result"),
    [("signature", [[1], {}]), ("chain", [[[[1], {}], 2], {}]), ("group", THREE), ("chord", [[THREE], {}])],
)
async def test_a_task_that_a_worker_replaces_comes_to_what_it_is_replaced_by(
    client: TaskClient, to: str, result: Any
) -> None:
    replaced = signature("golden.gives_way", (to,), immutable=True)
    assert await client.run(replaced, timeout=DEADLINE) == result
    within = chain(echo(0), group(replaced, echo("beside", immutable=True)), echo("after"))
    assert await client.run(within, timeout=DEADLINE) == [[[result, [["beside"], {}]], "after"], {}]


@pytest.mark.parametrize(
    ("canvas", "result"),
    [
        (chord([], echo("body")), [[[], "body"], {}]),
        (chain(echo(1), chord([], echo("body"))), [[[], "body"], {}]),
        (chord([], several), THREE),
    ],
    ids=["alone", "in a chain", "and a group"],
)
async def test_the_body_of_an_empty_header_is_given_an_empty_list(
    client: TaskClient, canvas: Canvas, result: Any
) -> None:
    assert await client.run(canvas, timeout=DEADLINE) == result


async def test_the_results_of_a_header_are_in_its_order_whichever_ends_first(client: TaskClient) -> None:
    slow = chain(signature("golden.naps", (0.3,)), echo("slow", immutable=True))
    header = [slow, *(echo(number) for number in range(12))]
    (results,), _ = await client.run(chord(header, echo()), timeout=DEADLINE)
    assert results == [[["slow"], {}], *([[number], {}] for number in range(12))]
