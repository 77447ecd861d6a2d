"""What a stock worker really published, heard by the watcher."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.errors import TaskNotFound
from bridge.protocol.events import read_events
from bridge.protocol.result import read_meta
from bridge.records.status_store import StatusStore
from bridge.redis import Published, Redis
from bridge.remote.queues import Queues
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.celery_says import WORKER
from tests.clocks import Clock
from tests.integration.submissions import submission, until
from tests.integration.watching import following, watcher
from tests.recorded import RESULTS, recorded, stories

RAN = ("received", "running")
ERROR = {"type": "ValueError", "message": "it's broken, 5"}
# What becomes of a task that was submitted here. As results and events come by two ways, "received" and "scheduled" may
# be overtaken; nothing else may.
EXPECTED: dict[str, tuple[Sequence[str], dict[str, Any]]] = {
    "succeeds": ((*RAN, "succeeded"), {"result": [[1, "é"], {"a": None}]}),
    "returns_odd_numbers": ((*RAN, "succeeded"), {"result": [None, None]}),
    "returns_much": ((*RAN, "succeeded"), {"result_ref": "/v1/tasks/00000001-0000-4000-8000-000000000000/result"}),
    "fails": ((*RAN, "failed"), {"error": ERROR}),
    "is_not_registered": (("failed",), {"error": {"type": "NotRegistered", "message": "golden.nowhere"}}),
    "retries_later": ((*RAN, "retrying", "scheduled", "running", "succeeded"), {"result": 1, "attempt": 2}),
    "reports": ((*RAN, "progress", "progress", "succeeded"), {"result": "done"}),
    "sends_progress": ((*RAN, "progress", "succeeded"), {"result": "done"}),
    "ignores_its_result": ((*RAN, "succeeded"), {"result": None}),
    "is_rejected": ((*RAN, "rejected"), {}),
    "waits": (("scheduled", "running", "succeeded"), {"result": [[], {}]}),
    "expires": (("expired",), {"error": {"type": "TaskRevokedError", "message": "expired"}}),
    "is_revoked": (("cancelled",), {"error": {"type": "TaskRevokedError", "message": "revoked"}}),
    "is_terminated": ((*RAN, "cancelled"), {}),
    # Without a pause the next attempt runs while this one is still being put down, and Celery tells both at once.
    "retries_at_once": ((*RAN, *("retrying", *RAN) * 2, "succeeded"), {"result": 2}),
    "gives_up": ((*RAN, "retrying", *RAN, "failed"), {}),
}
AT_ONCE = {"retries_at_once", "gives_up"}
MAY_BE_OVERTAKEN = {"received", "scheduled"}


async def play(redis: Redis, messages: Sequence[Published]) -> None:
    for message in messages:
        if message.channel.startswith(RESULTS):
            await redis.execute("SET", message.channel, message.data)
        await redis.execute("PUBLISH", message.channel, message.data)


def task_of(messages: Sequence[Published]) -> str:
    metas = [message for message in messages if message.channel.startswith(RESULTS)]
    return read_meta(metas[0].data).task_id if metas else str(read_events(messages[0].data)[0]["uuid"])


def follows(told: Sequence[str], expected: Sequence[str], dispensable: set[str]) -> bool:
    """Whether `told` is `expected` but for things that may be missing."""
    rest = iter(told)
    current = next(rest, None)
    for kind in expected:
        if kind == current:
            current = next(rest, None)
        elif kind not in dispensable:
            return False
    return current is None


def test_every_recorded_story_has_its_expected_end() -> None:
    assert stories() == sorted(EXPECTED)


@pytest.mark.parametrize("watchers", [1, 2])
@pytest.mark.parametrize("name", stories())
async def test_a_recorded_story_is_understood(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock, name: str, watchers: int
) -> None:
    messages = recorded(name)
    task_id = task_of(messages)
    expected, end = EXPECTED[name]
    await publisher.publish(submission(task_id))

    async with following(redis, *(watcher(redis, store, clock, f"w{number}") for number in range(watchers))):
        await play(redis, messages)
        await until(lambda: has_ended(store, task_id))

    told = (await store.read_after(task_id, 0)).updates
    dispensable = {*MAY_BE_OVERTAKEN, "running", "retrying"} if name in AT_ONCE else MAY_BE_OVERTAKEN
    assert follows([update.kind for update in told], ["submitted", *expected], dispensable)
    assert [update.attempt for update in told] == sorted(update.attempt for update in told)
    last = dict(told[-1].fields)
    if told[-1].error:
        last["error"] = {part: told[-1].error[part] for part in ("type", "message")}
    assert {field: last[field] for field in end} == end


async def has_ended(store: StatusStore, task_id: str) -> bool:
    try:
        return (await store.record(task_id)).final
    except TaskNotFound:
        return False


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - AT_ONCE))
async def test_a_recorded_story_of_somebody_elses_task_is_adopted(
    redis: Redis, store: StatusStore, clock: Clock, name: str
) -> None:
    messages = recorded(name)
    task_id = task_of(messages)
    async with following(redis, watcher(redis, store, clock)):
        await play(redis, messages)
        await until(lambda: has_ended(store, task_id))
    record = await store.record(task_id)
    assert record.status == EXPECTED[name][0][-1]
    assert record.task is None or record.task.startswith("golden.")


async def test_a_recorded_worker_is_known(
    redis: Redis, store: StatusStore, settings: BridgeSettings, clock: Clock
) -> None:
    async with following(redis, watcher(redis, store, clock)):
        await play(redis, recorded("worker")[:1])
        await until(lambda: is_listed(redis, settings, clock))
    (worker,) = await Queues(redis, settings).workers(clock.ms)
    assert (worker.hostname, worker.online) == (WORKER, True)


async def is_listed(redis: Redis, settings: BridgeSettings, clock: Clock) -> bool:
    return bool(await Queues(redis, settings).workers(clock.ms))
