"""Tasks that workers send are of whom the task is of that has sent them."""

from typing import Any

from bridge import TaskClient
from bridge.errors import TaskNotFound
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.records.task_list import TaskFilter
from bridge.redis import Redis
from tests.celery_says import received, succeeded
from tests.integration.submissions import until
from tests.integration.watching import Worker, has_come_to


async def are_known(store: StatusStore, task_ids: set[str]) -> bool:
    try:
        return all([await store.record(task_id) for task_id in task_ids])
    except TaskNotFound:
        return False


async def test_what_a_task_has_sent_is_of_its_owner_and_its_batch(
    client: TaskClient, store: StatusStore, worker: Worker
) -> None:
    acme = client.as_owner("acme")
    (first,) = await acme.submit_many([("tasks.add",)], batch="b1")
    cursor = await acme.feed.end()
    root = first.task_id
    await worker.says(received("child", parent_id=root, root_id=root))
    await worker.says(received("grandchild", parent_id="child", root_id=root), succeeded("grandchild"))
    await worker.says(received("late", parent_id="nobody knows", root_id=root))
    await worker.stores("silent", "SUCCESS", 3, parent_id=root)
    sent = {"child", "grandchild", "late", "silent"}

    await until(lambda: are_known(store, sent))

    for task_id in sent:
        record = await acme.record(task_id)
        assert (record.owner, record.batch_id) == ("acme", "b1"), task_id
    assert {one.task_id for one in (await acme.tasks.page(TaskFilter(batch="b1"))).tasks} == {root, *sent}
    with acme.feed.following(Selection(batches={"b1"}), cursor) as follower:
        told = [step for step in await follower.catch_up() if isinstance(step, FeedEntry)]
    assert {entry.update.task_id for entry in told} == sent


async def test_a_task_that_is_known_keeps_its_owner_whatever_it_is_said_to_come_of(
    client: TaskClient, store: StatusStore, worker: Worker
) -> None:
    theirs = await client.as_owner("umbrella").submit("tasks.add", task_id="theirs")
    nobodys = await client.submit("tasks.add", task_id="nobodys")
    await client.as_owner("acme").submit_many([("tasks.add", (), {}, {"task_id": "root"})], batch="b1")
    told: dict[str, Any] = {"parent_id": "root", "root_id": "root"}
    await worker.says(received(theirs.task_id, **told), received(nobodys.task_id, **told))
    await until(lambda: has_come_to(store, "nobodys", Status.RECEIVED))
    owners = [
        ((await store.record(task_id)).owner, (await store.record(task_id)).batch_id)
        for task_id in ("theirs", "nobodys")
    ]
    assert owners == [("umbrella", None), ("", None)]


async def test_what_comes_of_nothing_that_is_known_is_adopted_without_an_owner(
    redis: Redis, store: StatusStore, worker: Worker
) -> None:
    await redis.execute("SET", "petiole:task:broken", "not ours")
    await worker.says(received("a1", parent_id="broken", root_id="nobody knows"))
    await until(lambda: has_come_to(store, "a1", Status.RECEIVED))
    assert (await store.record("a1")).owner == ""
