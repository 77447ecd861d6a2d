"""`ignore_result`: nobody waits for a result that the task was told not to store."""

import asyncio
from collections.abc import Iterator

import pytest

from bridge import Call, Canvas, GroupHandle, TaskClient, TaskHandle, chain, chord, group, signature
from bridge.errors import CallsBrokeOff
from bridge.redis import Redis
from bridge.submit.call import Asked
from tests.celery_says import meta
from tests.integration.submissions import DEADLINE

KEEPS, IGNORES = signature("tasks.add"), signature("tasks.add", ignore_result=True)


async def test_a_result_that_is_ignored_is_none_at_once(client: TaskClient) -> None:
    task = await client.submit("tasks.add", ignore_result=True)
    assert task.ignores_result
    async with asyncio.timeout(DEADLINE):
        assert await task.result() is None


async def test_a_submit_that_comes_again_knows_it_as_well(client: TaskClient) -> None:
    for _ in range(2):
        task = await client.submit("tasks.add", ignore_result=True, idempotency_key="k1")
    assert (task.replayed, task.ignores_result) == (True, True)


async def test_a_result_that_is_not_ignored_is_waited_for(client: TaskClient) -> None:
    task = await client.submit("tasks.add", ignore_result=False)
    with pytest.raises(TimeoutError):
        await task.result(timeout=0)
    assert not client.handle((await client.submit("tasks.add", ignore_result=True)).task_id).ignores_result


@pytest.mark.parametrize("key", [None, "night-run"])
@pytest.mark.parametrize("atomic", [False, True])
async def test_of_many_tasks_each_knows_it_of_itself(client: TaskClient, key: str | None, *, atomic: bool) -> None:
    calls: list[Asked] = [Call("celery.group"), IGNORES, KEEPS, Call("tasks.add", (), None, {"ignore_result": True})]
    for _ in range(2):
        handles = await client.submit_many(calls[atomic:], atomic=atomic, key=key, return_exceptions=True)
        assert [one.ignores_result for one in handles if isinstance(one, TaskHandle)] == [True, False, True]
    assert [one.replayed for one in handles if isinstance(one, TaskHandle)] == [key is not None] * 3


async def test_of_many_tasks_that_break_off_each_knows_it_of_itself(client: TaskClient) -> None:
    def calls() -> Iterator[Call]:
        yield from (Call("tasks.add", (), None, {"ignore_result": place % 2 == 0}) for place in range(140))
        raise RuntimeError("lost")

    with pytest.raises(CallsBrokeOff) as broken:
        await client.submit_many(calls())
    told = [one.ignores_result for one in broken.value.outcomes if isinstance(one, TaskHandle)]
    assert told == [True, False] * (client.settings.submit_batch // 2)


@pytest.mark.parametrize("members", [group(IGNORES, IGNORES), group(KEEPS, KEEPS).set(ignore_result=True)])
async def test_a_group_has_none_in_the_place_of_results_that_are_ignored(client: TaskClient, members: Canvas) -> None:
    async with asyncio.timeout(DEADLINE):
        assert await client.run(members) == [None, None]


async def test_a_group_waits_for_the_results_that_are_kept(client: TaskClient, redis: Redis) -> None:
    handle = await client.start(group(IGNORES, KEEPS))
    assert isinstance(handle, GroupHandle)
    _, kept = handle.children
    assert isinstance(kept, TaskHandle)
    await redis.execute("SET", f"celery-task-meta-{kept.task_id}", meta(kept.task_id, "SUCCESS", 5))
    assert await handle.result(timeout=DEADLINE) == [None, 5]


@pytest.mark.parametrize(
    "canvas",
    [chain(KEEPS, IGNORES), chord([KEEPS, KEEPS], IGNORES), chord([KEEPS, KEEPS], KEEPS).set(ignore_result=True)],
)
async def test_a_chain_whose_last_result_is_ignored_gives_none_at_once(client: TaskClient, canvas: Canvas) -> None:
    async with asyncio.timeout(DEADLINE):
        assert await client.run(canvas) is None


async def test_a_step_in_the_middle_that_ignores_its_result_is_not_waited_for(client: TaskClient, redis: Redis) -> None:
    handle = await client.start(chain(IGNORES, KEEPS))
    assert isinstance(handle, TaskHandle)
    await redis.execute("SET", f"celery-task-meta-{handle.task_id}", meta(handle.task_id, "SUCCESS", 5))
    assert await handle.result(timeout=DEADLINE) == 5
