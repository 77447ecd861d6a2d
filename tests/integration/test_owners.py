"""A client of one owner: tasks of others do not exist for it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

import pytest

from app.cli.processes.child import Child
from bridge import TaskClient, connect
from bridge.errors import BrokerUnavailable, TaskExpired, TaskNotFound
from bridge.follow.feed import FeedStep
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.records.task_list import START, TaskFilter
from bridge.redis import Redis
from tests.integration.submissions import DEADLINE
from tests.integration.telling import news

DAY_MS = 86_400_000


@pytest.fixture
def acme(client: TaskClient) -> TaskClient:
    return client.as_owner("acme")


@pytest.fixture
def umbrella(client: TaskClient) -> TaskClient:
    return client.as_owner("umbrella")


async def ids(client: TaskClient, which: TaskFilter | None = None) -> list[str]:
    page = await client.tasks.page(which or TaskFilter())
    assert page.next is None
    return [record.task_id for record in page.tasks]


async def _followed(client: TaskClient, task_id: str) -> None:
    async for _ in client.follow(task_id):
        return


ASKS: list[Callable[[TaskClient, str], Awaitable[object]]] = [
    lambda client, task_id: client.record(task_id),
    lambda client, task_id: client.history(task_id),
    lambda client, task_id: client.result(task_id, 0.01),
    lambda client, task_id: client.stored_result(task_id),
    lambda client, task_id: client.forget(task_id),
    lambda client, task_id: client.cancel(task_id),
    _followed,
]


@pytest.mark.parametrize("ask", ASKS)
async def test_a_task_of_another_owner_is_not_found(
    acme: TaskClient, umbrella: TaskClient, redis: Redis, ask: Callable[[TaskClient, str], Awaitable[object]]
) -> None:
    theirs = await umbrella.submit("tasks.add")
    with pytest.raises(TaskNotFound) as refused:
        await ask(acme, theirs.task_id)
    assert type(refused.value) is TaskNotFound
    assert await redis.execute("LLEN", "celery") == 1
    assert await redis.execute("HEXISTS", f"petiole:task:{theirs.task_id}", "cancel") == 0


async def test_a_task_of_nobody_is_not_found_by_an_owner_and_all_are_by_who_has_none(
    client: TaskClient, acme: TaskClient
) -> None:
    nobodys, theirs = await client.submit("tasks.add"), await acme.submit("tasks.add")
    with pytest.raises(TaskNotFound):
        await acme.record(nobodys.task_id)
    assert (await acme.record(theirs.task_id)).task_id == theirs.task_id
    assert (await client.record(theirs.task_id)).task_id == theirs.task_id
    assert await ids(client) == [theirs.task_id, nobodys.task_id]


async def test_an_owner_lists_their_own_alone_and_no_filter_shows_more(acme: TaskClient, umbrella: TaskClient) -> None:
    mine = await acme.submit("tasks.add", tags=["x"])
    await umbrella.submit_many([("tasks.add", (), {}, {"tags": ["x"]})] * 3, batch="b1")
    assert await ids(acme) == [mine.task_id]
    assert await ids(acme, TaskFilter(owner="umbrella", tags=["x"])) == [mine.task_id]
    assert await ids(acme, TaskFilter(batch="b1")) == []


async def test_a_page_says_nothing_of_what_stands_between(acme: TaskClient, umbrella: TaskClient) -> None:
    mine = []
    for _ in range(2):
        mine.append(await acme.submit("tasks.add"))
        await umbrella.submit_many([("tasks.add",)] * 30)
    page = await acme.tasks.page(TaskFilter(), START, limit=1)
    assert [record.task_id for record in page.tasks] == [mine[1].task_id]
    assert page.next is not None
    assert page.next.task_id == mine[1].task_id
    assert [one.task_id for one in (await acme.tasks.page(TaskFilter(), page.next)).tasks] == [mine[0].task_id]


@pytest.mark.parametrize("asked", [Selection(), Selection(owner="umbrella"), Selection(tags=["x"])])
async def test_the_feed_of_an_owner_has_their_own_alone(
    acme: TaskClient, umbrella: TaskClient, asked: Selection
) -> None:
    cursor = await acme.feed.end()
    await umbrella.submit("tasks.add", tags=["x"])
    mine = await acme.submit("tasks.add", tags=["x"])
    with acme.feed.following(asked, cursor) as follower:
        assert ids_of(await follower.catch_up()) == [mine.task_id]
        await umbrella.submit("tasks.add", tags=["x"])
        late = await acme.submit("tasks.add", tags=["x"])
        heard: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while late.task_id not in heard:
                heard += ids_of(await follower.next(DEADLINE))
        assert heard == [late.task_id]


def ids_of(steps: Sequence[FeedStep]) -> list[str]:
    return [step.update.task_id for step in steps if isinstance(step, FeedEntry)]


async def test_of_a_task_that_is_gone_its_owner_knows_and_nobody_else(
    acme: TaskClient, umbrella: TaskClient, client: TaskClient, redis: Redis
) -> None:
    mine = await acme.submit("tasks.add")
    await redis.execute("DEL", f"petiole:task:{mine.task_id}")
    for one in (acme, client):
        with pytest.raises(TaskExpired):
            await one.record(mine.task_id)
    with pytest.raises(TaskNotFound) as refused:
        await umbrella.record(mine.task_id)
    assert type(refused.value) is TaskNotFound


async def test_what_is_forgotten_is_forgotten_in_every_index(
    acme: TaskClient, store: StatusStore, redis: Redis
) -> None:
    mine = await acme.submit("tasks.add")
    at_ms = int(await redis.execute("ZSCORE", "petiole:index:acme", mine.task_id))
    await redis.execute("DEL", f"petiole:task:{mine.task_id}")
    assert await store.forget_gone(at_ms + 2 * DAY_MS + 1) == 2
    assert await redis.execute("EXISTS", "petiole:index", "petiole:index:acme") == 0


async def test_a_task_keeps_its_owner_to_its_end(acme: TaskClient, store: StatusStore) -> None:
    mine = await acme.submit("tasks.add")
    at_ms = (await acme.record(mine.task_id)).submitted_at or 0
    await store.advance([news(Status.SUCCEEDED, task_id=mine.task_id, at_ms=at_ms + 1)])
    assert (await acme.record(mine.task_id)).status is Status.SUCCEEDED


async def test_a_server_that_hangs_makes_no_owner_wait_longer_than_the_timeout(own_url: str, own_server: Child) -> None:
    async with connect(own_url, command_timeout=DEADLINE) as client, asyncio.timeout(DEADLINE / 2):
        ann = client.as_owner("ann")
        task = await ann.submit("tasks.add")
        own_server.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(BrokerUnavailable):
                await ann.result(task.task_id, timeout=0.1)
        finally:
            own_server.send_signal(signal.SIGCONT)
