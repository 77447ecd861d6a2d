"""Tasks are run again, each as a new task with the message that was stored."""

import json
from base64 import b64decode
from typing import Any

import pytest

from bridge import Call, TaskClient, chain, signature
from bridge.errors import DuplicateTask, IdempotencyKeyReused, InvalidMessage, PayloadGone, TaskNotFound
from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.records.task_list import TaskFilter
from bridge.redis import Redis
from bridge.replays import UNCHANGED
from bridge.submit.acceptance import Replayed
from tests.integration.telling import news


async def ended(store: StatusStore, task_id: str, status: Status) -> None:
    await store.advance([news(status, task_id=task_id, details={"error": {"type": "E", "message": "m"}})])


async def newest(redis: Redis, queue: str = "celery") -> dict[str, Any]:
    """The message that was queued last."""
    return dict(json.loads(await redis.execute("LINDEX", queue, 0)))


async def test_a_task_that_failed_is_run_again_as_it_was(client: TaskClient, store: StatusStore, redis: Redis) -> None:
    first = await client.submit("add", [1, 2], queue="mail", priority=5, tags=["a"], expires=60)
    payload = await newest(redis, "mail\x06\x163")
    await ended(store, first.task_id, Status.FAILED)

    new_id = await client.replays.replay(first.task_id)

    message = await newest(redis, "mail\x06\x163")
    assert message["body"] == payload["body"]
    assert (message["headers"]["id"], message["headers"]["expires"]) == (new_id, None)
    assert message["properties"]["delivery_tag"] != payload["properties"]["delivery_tag"]
    record = await client.record(new_id)
    assert (record.replay_of, record.status, record.tags) == (first.task_id, Status.SUBMITTED, ("a",))
    assert (record.task, record.queue, record.priority) == ("add", "mail", 5)


async def test_a_replay_takes_other_arguments_and_options(client: TaskClient, redis: Redis) -> None:
    first = await client.submit("add", [1, 2])
    changes = Call("", [3], None, {"queue": "slow", "priority": 3, "task_id": "mine", "tags": ["b"]})
    assert (await client.replays.replay(first.task_id, changes)) == "mine"
    message = await newest(redis, "slow\x06\x163")
    assert json.loads(b64decode(message["body"]))[0] == [3]
    assert (await client.record("mine")).tags == ("b",)
    with pytest.raises(DuplicateTask):
        await client.replays.replay(first.task_id, changes)
    with pytest.raises(InvalidMessage, match="stays as it was") as raised:
        await client.replays.replay(first.task_id, Call("", None, None, {"shadow": "x"}))
    assert raised.value.pointer == "/options/shadow"
    with pytest.raises(InvalidMessage, match="reserves") as raised:
        await client.replays.replay(first.task_id, Call("", [{"__type__": 1, "__value__": 2}]))
    assert raised.value.pointer == "/args/0"


async def test_what_succeeded_and_what_a_worker_sent_cannot_be_run_again(
    client: TaskClient, store: StatusStore
) -> None:
    first = await client.submit("add")
    await ended(store, first.task_id, Status.SUCCEEDED)
    await store.advance([News(task_id="theirs", status=Status.FAILED, at_ms=1, adopts=True)])
    for task_id in (first.task_id, "theirs"):
        with pytest.raises(PayloadGone, match="is not kept"):
            await client.replays.replay(task_id)
    with pytest.raises(TaskNotFound):
        await client.replays.replay("unknown")


async def test_a_replay_belongs_to_the_owner_and_others_cannot_make_one(client: TaskClient) -> None:
    ann, bob = client.as_owner("ann"), client.as_owner("bob")
    first = await ann.submit("add")
    with pytest.raises(TaskNotFound):
        await bob.replays.replay(first.task_id)
    for who in (ann, client):  # who owns everything does not take it away
        new_id = await who.replays.replay(first.task_id)
        assert (await ann.record(new_id)).replay_of == first.task_id


async def test_many_are_run_again_and_each_has_an_outcome(client: TaskClient, store: StatusStore) -> None:
    for number in range(5):
        await client.submit("add", task_id=f"a{number}")
        await ended(store, f"a{number}", Status.SUCCEEDED if number == 3 else Status.FAILED)
    page = await client.tasks.page(TaskFilter())
    outcomes = await client.replays.replay_many(page.tasks)
    for record, outcome in zip(page.tasks, outcomes, strict=True):
        if record.task_id == "a3":
            assert isinstance(outcome, PayloadGone)
        else:
            assert isinstance(outcome, str)
            assert (await client.record(outcome)).replay_of == record.task_id


async def test_of_replays_with_one_key_one_is_queued(client: TaskClient, store: StatusStore, redis: Redis) -> None:
    for task_id in ("a1", "a2"):
        await client.submit("add", [1], task_id=task_id)
    changes = Call("", [3])
    new_id = await client.replays.replay_once("a1", "k1", changes)
    assert isinstance(new_id, str)

    assert await client.replays.replay_once("a1", "k1", changes) == Replayed(new_id)
    for task_id, other in (("a1", Call("", [4])), ("a1", UNCHANGED), ("a2", changes)):
        with pytest.raises(IdempotencyKeyReused, match="'k1'"):
            await client.replays.replay_once(task_id, "k1", other)
    assert await redis.execute("LLEN", "celery") == 3
    assert isinstance(await client.as_owner("").replays.replay_once("a1", "k2", changes), str)

    await ended(store, "a1", Status.SUCCEEDED)
    assert await client.replays.replay_once("a1", "k1", changes) == Replayed(new_id)
    await redis.execute("DEL", "petiole:task:a1")
    assert await client.replays.replay_once("a1", "k1", changes) == Replayed(new_id)
    with pytest.raises(TaskNotFound):
        await client.replays.replay_once("a1", "k3", changes)


async def test_of_many_with_one_key_each_is_queued_once(client: TaskClient, store: StatusStore, redis: Redis) -> None:
    for number in range(3):
        await client.submit("add", task_id=f"a{number}")
    tasks = (await client.tasks.page(TaskFilter())).tasks
    first = await client.replays.replay_many(tasks[:2], key="k1")
    await ended(store, tasks[0].task_id, Status.SUCCEEDED)
    again = await client.replays.replay_many(tasks, key="k1")

    assert again[:2] == [Replayed(str(one)) for one in first]
    assert isinstance(again[2], str)
    assert await redis.execute("LLEN", "celery") == 6
    assert isinstance((await client.replays.replay_many(tasks, key="k2"))[0], PayloadGone)


async def test_each_owner_has_keys_of_their_own_for_replays(client: TaskClient) -> None:
    ann = client.as_owner("ann")
    first = await ann.submit("add")
    told = [await who.replays.replay_once(first.task_id, "k1") for who in (ann, client)]
    assert all(isinstance(one, str) for one in told)


async def test_a_replay_of_a_step_goes_on_with_the_steps_after_it(client: TaskClient, redis: Redis) -> None:
    result = (await client.start_batch(chain(signature("a"), signature("b")), "w1")).result
    assert result.parent
    await client.replays.replay(result.parent.id)
    embedded = json.loads(b64decode((await newest(redis))["body"]))[2]
    assert embedded["chain"][0]["options"]["task_id"] == result.id
