"""What a task says while it runs: progress, output and log lines, in order, once, before its end."""

from typing import Any

import pytest

from bridge.follow.hub import Hub
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.celery_says import TIME, envelope, event, meta, received, retried, started
from tests.clocks import Clock
from tests.integration.submissions import submission, until
from tests.integration.telling import AT_MS, in_status, kinds, news
from tests.integration.watching import EVENTS, RESULT, Worker, following, has_come_to, history, watcher

MANY = 300
"""More than any window of latest updates could be searched for."""


def output(number: int, text: str = "a line", task_id: str = "a1") -> dict[str, Any]:
    return event("task-output", task_id, text=text, timestamp=TIME + number / 1_000, clock=number)


def said(seconds: float, clock: int, attempt: int = 1) -> Any:
    return news(None, attempt, details={"output": "the same"}, said=f"{seconds!r} {clock}")


async def texts(store: StatusStore, task_id: str = "a1") -> list[str]:
    missed = await store.read_after(task_id, 0)
    return [update.fields["output"] for update in missed.updates if update.kind == "output"]


async def test_output_and_log_lines_are_updates_of_the_attempt_that_says_them(
    publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    await worker.says(received("a1"), started("a1"), output(1))
    await worker.says(event("task-log", "a1", level="warning", message="hot", timestamp=TIME + 1, clock=2))
    await worker.says(retried("a1"), received("a1", 1), started("a1"), output(3))
    await until(lambda: has_come_to(store, "a1", Status.RUNNING, 2))
    await worker.stores("a1", "SUCCESS", 3)

    told = await history(store, hub)

    assert [pair for pair in told if pair[0] in ("output", "log")] == [("output", 1), ("log", 1), ("output", 2)]
    updates = (await store.read_after("a1", 0)).updates
    (line,) = [update.fields["log"] for update in updates if update.kind == "log"]
    assert line == {"level": "WARNING", "message": "hot"}


async def test_a_line_that_a_task_repeats_is_told_each_time_and_never_twice_by_two_watchers(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    both = [watcher(redis, store, clock, "watcher-1"), watcher(redis, store, clock, "watcher-2")]
    async with following(redis, *both) as worker:
        await worker.says(received("a1"), started("a1"))
        await worker.says(*(output(number) for number in range(MANY)))
        await worker.stores("a1", "SUCCESS", 3)
        told = await history(store, hub)
    assert [kind for kind, _ in told].count("output") == MANY


async def test_what_was_said_before_an_end_comes_before_it_though_it_is_heard_on_another_connection(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, worker: Worker
) -> None:
    for task_id in (f"task-{number}" for number in range(20)):
        await publisher.publish(submission(task_id))
        lines = [("PUBLISH", EVENTS, envelope([output(line, task_id=task_id)])) for line in range(20)]
        end = ("PUBLISH", RESULT + task_id, meta(task_id, "SUCCESS", 3))
        await redis.transaction(*lines, end)
        told = [kind for kind, _ in await history(store, hub, task_id)]
        assert told == ["submitted", *["output"] * 20, "succeeded"]


async def test_ends_arrive_while_the_events_cannot_be_heard(
    redis: Redis, publisher: Publisher, store: StatusStore, worker: Worker
) -> None:
    await publisher.publish(submission("a1"))
    clients = (await redis.execute("CLIENT", "LIST", "TYPE", "PUBSUB")).decode().splitlines()
    for client in clients:
        fields = dict(part.partition("=")[::2] for part in client.split())
        await redis.execute("CLIENT", "KILL", "ID", fields["id"])
    await until(lambda: worker.is_heard_by(1))
    await worker.stores("a1", "SUCCESS", 3)
    await until(lambda: has_come_to(store, "a1", Status.SUCCEEDED))


@pytest.mark.parametrize(
    ("seconds", "clock", "is_told"),
    [(TIME, 5, False), (TIME, 4, False), (TIME - 1, 6, False), (TIME, 6, True), (TIME + 0.000_001, 1, True)],
)
async def test_what_a_task_says_is_told_if_it_was_said_later(
    store: StatusStore, seconds: float, clock: int, is_told: bool
) -> None:
    await in_status(store, Status.RUNNING)
    first, second = await store.advance([said(TIME, 5), said(seconds, clock)])
    assert (first.seq, second.seq) == (2, 3 if is_told else 0)


async def test_what_another_attempt_says_counts_by_itself_and_what_an_old_one_says_is_dropped(
    store: StatusStore,
) -> None:
    await in_status(store, Status.RUNNING)
    next_attempt = news(Status.RUNNING, 2, at_ms=AT_MS + 1)
    told = [said(TIME, 5), next_attempt, said(TIME - 9, 1, attempt=2), said(TIME + 1, 6)]
    assert [outcome.seq for outcome in await store.advance(told)] == [2, 3, 4, 0]


async def test_a_task_that_says_much_loses_its_oldest_updates_and_never_its_end(
    redis: Redis, settings: BridgeSettings
) -> None:
    short = settings.model_copy(update={"history_limit": 10})
    async with StatusStore.open(redis, short) as store:
        await in_status(store, Status.RUNNING)
        await store.advance([said(TIME + number, number) for number in range(50)])
        await store.advance([news(Status.SUCCEEDED), *(said(TIME + number, number) for number in range(50, 80))])
        assert await kinds(store) == ["output"] * 9 + ["succeeded"]


async def test_an_ended_task_does_not_keep_when_it_last_spoke(store: StatusStore, redis: Redis) -> None:
    for end in (Status.SUCCEEDED, Status.FAILED):
        await in_status(store, Status.RUNNING, task_id=end)
        await store.advance([news(None, 1, task_id=end, details={"output": "x"}, said="1.5 1"), news(end, task_id=end)])
        assert await redis.execute("HGET", f"petiole:task:{end}", "said") is None
