"""Listing tasks: the newest first, by filters, with a cursor that stays right; and tasks that are gone."""

import pytest

from bridge.errors import InvalidMessage, TaskExpired, TaskNotFound
from bridge.protocol.compact import compact
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.records.task_list import LOOKED_AT, Cursor, TaskFilter, TaskList
from bridge.redis import Redis
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.submissions import submission
from tests.integration.telling import AT_MS, news

ALL = TaskFilter()
DAY_MS = 86_400_000


@pytest.fixture
def tasks(redis: Redis, store: StatusStore) -> TaskList:
    return TaskList(redis, store, store.settings.prefix)


async def adopted(store: StatusStore, *task_ids: str, at_ms: int = AT_MS, **facts: str) -> None:
    """Tasks that a worker has received, one each millisecond."""
    told = [
        news(Status.RECEIVED, task_id=task_id, adopts=True, at_ms=at_ms + number, facts=facts)
        for number, task_id in enumerate(task_ids)
    ]
    await store.advance(told)


async def ids(tasks: TaskList, which: TaskFilter, limit: int = 100) -> list[list[str]]:
    """The ids on each page, to the last."""
    page = await tasks.page(which, limit=limit)
    pages = [[record.task_id for record in page.tasks]]
    while page.next:
        page = await tasks.page(which, page.next, limit=limit)
        pages.append([record.task_id for record in page.tasks])
    return pages


async def test_tasks_are_listed_the_newest_first_by_pages(tasks: TaskList, store: StatusStore) -> None:
    await adopted(store, *"abcde")
    assert await ids(tasks, ALL, limit=2) == [["e", "d"], ["c", "b"], ["a"]]
    assert await ids(tasks, ALL) == [[*"edcba"]]


async def test_a_submit_is_listed_at_once(tasks: TaskList, publisher: Publisher) -> None:
    await publisher.publish(submission("a1"))
    (record,) = (await tasks.page(ALL)).tasks
    assert (record.task_id, record.task, record.status) == ("a1", "tasks.add", Status.SUBMITTED)


async def test_a_page_goes_on_where_the_last_one_ended_while_tasks_come_and_go(
    tasks: TaskList, store: StatusStore, redis: Redis
) -> None:
    await adopted(store, *"abcdef")
    first = await tasks.page(ALL, limit=2)
    await adopted(store, *"xyz", at_ms=AT_MS + 100)
    await redis.execute("DEL", "petiole:task:c")
    assert first.next
    second = await tasks.page(ALL, first.next, limit=2)
    assert [record.task_id for record in second.tasks] == ["d", "b"]


@pytest.mark.parametrize("removed", ["b", "c", "d"])
async def test_a_cursor_holds_though_its_task_is_forgotten(
    tasks: TaskList, store: StatusStore, redis: Redis, removed: str
) -> None:
    await adopted(store, *"abcd")
    first = await tasks.page(ALL, limit=2)
    await redis.execute("DEL", f"petiole:task:{removed}")
    await redis.execute("ZREM", "petiole:index", removed)
    assert first.next
    rest = await tasks.page(ALL, first.next)
    assert [record.task_id for record in rest.tasks] == [one for one in "ba" if one != removed]


MIXED = ["a", "B", "a-b", "ab", "_a", "A", "ä", "z", "Z9"]
"""Ids that languages sort in other ways than by their bytes."""


@pytest.mark.parametrize("owner", ["", "acme"])
@pytest.mark.parametrize("removed", MIXED)
async def test_a_cursor_among_tasks_of_one_moment_holds_though_its_task_is_forgotten(
    tasks: TaskList, store: StatusStore, redis: Redis, removed: str, owner: str
) -> None:
    facts = {"owner": owner} if owner else {}
    for at_ms, prefix in ((AT_MS, ""), (AT_MS + 1, "late "), (AT_MS - 1, "early ")):
        for task_id in MIXED:
            await adopted(store, prefix + task_id, at_ms=at_ms, **facts)
    listed = tasks.of(owner)
    (order,) = await ids(listed, ALL)
    at = order.index(removed) + 1
    page = await listed.page(ALL, limit=at)
    assert page.next == Cursor(task_id=removed, time=AT_MS)
    await redis.execute("ZREM", f"petiole:index:{owner}" if owner else "petiole:index", removed)
    rest = await listed.page(ALL, page.next, limit=100)
    assert [record.task_id for record in rest.tasks] == order[at:]


async def test_a_page_goes_on_at_its_place_though_its_last_task_was_submitted_again(
    tasks: TaskList, store: StatusStore, redis: Redis
) -> None:
    await adopted(store, *"abcd")
    first = await tasks.page(ALL, limit=2)
    await redis.execute("ZADD", "petiole:index", AT_MS + 50, "c")
    assert first.next
    rest = await tasks.page(ALL, first.next)
    assert [record.task_id for record in rest.tasks] == ["b", "a"]


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (TaskFilter(task="proj.add"), "c a"),
        (TaskFilter(queue="math"), "a"),
        (TaskFilter(batch="b1"), "a"),
        (TaskFilter(owner="me"), "a"),
        (TaskFilter(tags=["x", "y"]), "a"),
        (TaskFilter(tags=["x"]), "c a"),
        (TaskFilter(statuses=[Status.RUNNING]), "b"),
        (TaskFilter(statuses=[Status.RUNNING, Status.RECEIVED]), "c b a"),
        (TaskFilter(task="proj.add", queue="other"), "c"),
        (TaskFilter(submitted_from=AT_MS + 1), "c b"),
        (TaskFilter(submitted_before=AT_MS + 1), "a"),
        (TaskFilter(submitted_from=AT_MS + 1, submitted_before=AT_MS + 2), "b"),
        (TaskFilter(task="unknown"), ""),
    ],
)
async def test_tasks_are_found_by_what_is_known_of_them(
    tasks: TaskList, store: StatusStore, which: TaskFilter, found: str
) -> None:
    await adopted(store, "a", task="proj.add", queue="math", batch="b1", owner="me", tags=compact(["x", "y"]))
    await adopted(store, "b", at_ms=AT_MS + 1)
    await store.advance([news(Status.RUNNING, task_id="b", at_ms=AT_MS + 1)])
    await adopted(store, "c", at_ms=AT_MS + 2, task="proj.add", queue="other", tags=compact(["x"]), owner="you")
    assert await ids(tasks, which) == [found.split()]


async def test_one_page_looks_at_so_many_tasks_and_says_where_to_go_on(tasks: TaskList, store: StatusStore) -> None:
    await adopted(store, "first", task="proj.add")
    for start in range(0, LOOKED_AT + 1_000, 1_000):
        await adopted(store, *(f"t{number}" for number in range(start, start + 1_000)), at_ms=AT_MS + 1 + start)
    pages = await ids(tasks, TaskFilter(task="proj.add"))
    assert pages == [[], ["first"]]


async def test_a_task_that_is_gone_is_not_one_that_never_was_until_it_is_forgotten(
    tasks: TaskList, store: StatusStore, redis: Redis, clock: Clock
) -> None:
    await adopted(store, "a1", "a2")
    await redis.execute("DEL", "petiole:task:a1")
    for read in (store.record("a1"), store.read_after("a1", 0)):
        with pytest.raises(TaskExpired):
            await read

    assert await store.forget_gone(AT_MS + 2 * DAY_MS - 1) == 0
    assert await store.forget_gone(AT_MS + 2 * DAY_MS + 1) == 1
    with pytest.raises(TaskNotFound) as caught:
        await store.record("a1")
    assert not isinstance(caught.value, TaskExpired)
    assert await ids(tasks, ALL) == [["a2"]]


@pytest.mark.parametrize("text", ["", "x", "12", ".a", "12.", "-1.a", "²3.a", f"{10**30}.a"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage):
        Cursor.of(text)


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(task_id="a.b", time=AT_MS)
    assert Cursor.of(str(cursor)) == cursor
