"""accept.lua, by way of the publisher: queued *and* recorded, or neither."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import (
    DuplicateTask,
    InvalidMessage,
    QueueSaturated,
    UnreadableBytes,
)
from bridge.protocol.encoding import Pattern
from bridge.protocol.envelope import open_json
from bridge.protocol.events import read_events
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Submission
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.submissions import IN_A_MONTH, identity, submission
from tests.integration.telling import news


async def keys(redis: Redis) -> set[str]:
    found: list[bytes] = await redis.execute("KEYS", "*")
    return {key.decode() for key in found}


async def test_a_task_is_queued_and_recorded_in_one_step(
    redis: Redis, publisher: Publisher, store: StatusStore, clock: Clock
) -> None:
    await publisher.publish(submission("a1", args=(1, 2)))

    (message,) = await redis.execute("LRANGE", "celery", 0, -1)
    assert open_json(message) == [[1, 2], {}, dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))]
    record = await store.record("a1")
    assert (record.status, record.celery_state, record.attempt, record.seq) == (Status.SUBMITTED, "PENDING", 1, 1)
    assert (record.task, record.queue, record.submitted_at) == ("tasks.add", "celery", clock.ms)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"argsrepr": "(…)", "correlation_id": "c"},
        {"expires": datetime(2030, 1, 31, tzinfo=UTC)},
        {"root_id": "r", "headers": {"x": "é"}},
    ],
)
async def test_a_message_is_put_together_on_the_server_as_it_is_here(
    redis: Redis, publisher: Publisher, fields: Mapping[str, Any]
) -> None:
    plain = TaskMessage(task="tasks.add", task_id="a0", **fields)
    made = [plain, *(Pattern(plain).message(f"a{number}", ["é", number], {"k": None}) for number in (1, 2))]
    route = Route(queue="mail", priority=3)
    entries = [publisher.ready(Submission(message, route, record=message is not plain)) for message in made]
    assert await publisher.accept(entries) == ["a0", "a1", "a2"]

    queued = await redis.execute("LRANGE", "mail\x06\x163", 0, -1)
    assert queued[::-1] == [entry.message for entry in entries]
    assert await redis.execute("HGET", "petiole:task:a2", "payload") == entries[2].message


async def test_the_first_update_is_in_the_history_and_in_the_live_feed(
    redis: Redis, publisher: Publisher, store: StatusStore
) -> None:
    await publisher.publish(submission("a1"))

    (update,) = (await store.read_after("a1", 0)).updates
    assert (update.seq, update.kind) == (1, "submitted")
    ((_, fields),) = await redis.execute("XRANGE", "petiole:live", "-", "+")
    assert fields == {b"I": b"a1", b"s": b"1", b"u": update.text, b"t": b"tasks.add", b"q": b"celery"}


async def test_an_accepted_task_is_on_the_watchlist_and_its_queue_is_known(
    redis: Redis, publisher: Publisher, clock: Clock
) -> None:
    await publisher.publish(submission("a1", queue="mail", priority=9))

    assert await redis.execute("ZRANGE", "petiole:open", 0, -1, "WITHSCORES") == [b"a1", str(clock.ms).encode()]
    assert await redis.execute("SMEMBERS", "petiole:queues") == {b"mail"}


@pytest.mark.parametrize(("priority", "key"), [(0, "mail"), (3, "mail\x06\x163"), (9, "mail\x06\x169")])
async def test_a_task_is_in_the_list_of_its_priority(
    redis: Redis, publisher: Publisher, priority: int, key: str
) -> None:
    await publisher.publish(submission("a1", queue="mail", priority=priority))

    assert {name for name in await keys(redis) if name.startswith("mail")} == {key}
    assert await redis.execute("LLEN", key) == 1


async def test_workers_take_tasks_in_the_order_in_which_they_were_submitted(redis: Redis, publisher: Publisher) -> None:
    await asyncio.gather(*(publisher.publish(submission(f"a{n}", args=(n,))) for n in range(5)))

    taken = [open_json(await redis.execute("RPOP", "celery"))[0] for _ in range(5)]
    assert taken == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("leftover", [None, "an update of a record that has gone"])
async def test_record_and_history_have_a_life_from_their_first_write(
    redis: Redis,
    publisher: Publisher,
    store: StatusStore,
    settings: BridgeSettings,
    clock: Clock,
    leftover: str | None,
) -> None:
    if leftover:
        await redis.execute("RPUSH", "petiole:history:a1", leftover)
    await publisher.publish(submission("a1"))
    assert settings.open_ttl - 5 < await redis.execute("TTL", "petiole:task:a1") <= settings.open_ttl
    assert [update.kind for update in (await store.read_after("a1", 0)).updates] == ["submitted"]
    assert (await store.read_after("a1", 1)).updates == []

    await store.advance([news(Status.RUNNING)])  # a history begins with the second update
    assert settings.open_ttl - 5 < await redis.execute("TTL", "petiole:history:a1") <= settings.open_ttl
    missed = await store.read_after("a1", 0)
    assert (missed.dropped, [update.kind for update in missed.updates]) == (0, ["submitted", "running"])
    assert await redis.execute("LINDEX", "petiole:history:a1", 0) == str(clock.ms).encode()


async def test_the_task_is_announced_to_flower(redis: Redis, publisher: Publisher) -> None:
    messages = redis.listen("/0.celeryev/*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await publisher.publish(submission("a1", queue="mail"))
        message = await anext(messages)
    await messages.aclose()

    (event,) = read_events(message.data)
    assert message.channel == "/0.celeryev/task.sent"
    assert (event["type"], event["uuid"], event["queue"]) == ("task-sent", "a1", "mail")


async def test_an_id_that_is_known_is_refused_and_nothing_is_queued(redis: Redis, publisher: Publisher) -> None:
    await publisher.publish(submission("a1"))
    with pytest.raises(DuplicateTask, match="a1"):
        await publisher.publish(submission("a1"))
    assert await redis.execute("LLEN", "celery") == 1


async def test_of_two_submits_with_one_id_in_one_batch_one_is_accepted(redis: Redis, publisher: Publisher) -> None:
    outcomes = await asyncio.gather(
        publisher.publish(submission("a1")), publisher.publish(submission("a1")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [str, DuplicateTask]
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_queue_that_is_full_takes_no_more_and_nothing_is_recorded(
    redis: Redis, settings: BridgeSettings
) -> None:
    shallow = settings.model_copy(update={"max_queue_depth": 3})
    async with Publisher.open(redis, shallow, identity(Clock())) as publisher:
        submits = [publisher.publish(submission(f"a{n}", queue="mail", priority=n)) for n in range(5)]
        others = [publisher.publish(submission("b1", queue="other"))]
        outcomes = await asyncio.gather(*submits, *others, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [str] * 3 + [QueueSaturated] * 2 + [str]
    assert await redis.execute("EXISTS", "petiole:task:a3", "petiole:history:a3", "petiole:task:a4") == 0
    assert await redis.execute("ZCARD", "petiole:open") == 4


@pytest.mark.parametrize("key", ["mail", "mail\x06\x166"])
async def test_a_queue_whose_key_is_no_list_leaves_nothing_behind(redis: Redis, publisher: Publisher, key: str) -> None:
    await redis.execute("SET", key, "not a list")
    before = await keys(redis)

    with pytest.raises(InvalidMessage, match="key of another kind") as refused:
        await publisher.publish(submission("a1", queue="mail"))

    assert refused.value.pointer == "/options/queue"
    assert await keys(redis) == before


async def test_a_bad_queue_does_not_keep_the_other_tasks_of_its_batch_back(redis: Redis, publisher: Publisher) -> None:
    await redis.execute("SET", "mail", "not a list")
    outcomes = await asyncio.gather(
        publisher.publish(submission("a1", queue="mail")), publisher.publish(submission("b1")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [InvalidMessage, str]
    assert await redis.execute("LLEN", "celery") == 1


async def test_keys_of_petiole_are_no_queues(redis: Redis, publisher: Publisher) -> None:
    with pytest.raises(InvalidMessage, match="must not start with 'petiole:'"):
        await publisher.publish(submission("a1", queue="petiole:history:a1"))
    assert await keys(redis) == set()


async def test_a_message_above_the_limit_never_leaves(redis: Redis, settings: BridgeSettings) -> None:
    small = settings.model_copy(update={"max_message_bytes": 2_000})
    async with Publisher.open(redis, small, identity(Clock())) as publisher:
        with pytest.raises(InvalidMessage, match="the limit is 2000"):
            await publisher.publish(submission("a1", args=("x" * 2_000,)))
    assert await keys(redis) == set()


async def test_a_record_says_its_tags_and_its_facts(publisher: Publisher, redis: Redis) -> None:
    plain = submission("a1")
    await publisher.publish(
        type(plain)(message=plain.message, route=plain.route, tags=["user:42", "é"], facts={"x": 1})
    )

    tags, fact = await redis.execute("HMGET", "petiole:task:a1", "tags", "x")
    assert (json.loads(tags), fact) == (["user:42", "é"], b"1")


@pytest.fixture
def another_installation(shared_url: str) -> BridgeSettings:
    return BridgeSettings.load(
        redis_url=shared_url, broker_global_keyprefix="team-a.", broker_priority_steps="0,2,4,6,8", broker_sep=":"
    )


async def test_lists_are_named_as_the_installation_names_them(
    redis: Redis, another_installation: BridgeSettings
) -> None:
    async with (
        Redis.open(another_installation.broker, another_installation) as other,
        Publisher.open(other, another_installation, identity(Clock())) as publisher,
    ):
        mails = (submission(f"a{n}", queue="mail", priority=n) for n in range(10))
        await asyncio.gather(*map(publisher.publish, (*mails, submission("b1", queue="post", priority=9))))

    lists = {key for key in await keys(redis) if "petiole" not in key}
    assert lists == {
        *(f"team-a.mail{step}" for step in ("", ":2", ":4", ":6", ":8")),
        "team-a.post:8",
    }
    assert {await redis.execute("LLEN", key) for key in lists - {"team-a.post:8"}} == {2}
    assert all(key.startswith("team-a.petiole:") for key in await keys(redis) - lists)


@pytest.mark.parametrize(
    ("queue", "reason"), [("mail:3", "must not have ':' in it"), ("petiole:x", "must not start with 'petiole:'")]
)
async def test_a_queue_that_the_workers_of_the_installation_would_misread_is_refused(
    redis: Redis, another_installation: BridgeSettings, queue: str, reason: str
) -> None:
    async with (
        Redis.open(another_installation.broker, another_installation) as other,
        Publisher.open(other, another_installation, identity(Clock())) as publisher,
    ):
        with pytest.raises(InvalidMessage, match=reason) as refused:
            await publisher.publish(submission("a1", queue=queue))
    assert refused.value.pointer == "/options/queue"
    assert await keys(redis) == set()


@pytest.mark.parametrize("eta", [None, IN_A_MONTH], ids=["at once", "held"])
async def test_a_task_whose_keys_are_of_another_kind_keeps_no_other_back_and_leaves_nothing_behind(
    publisher: Publisher, redis: Redis, eta: datetime | None
) -> None:
    await redis.execute("SET", "petiole:history:a2", "no list")
    asked = [publisher.publish(submission(task_id, eta=eta)) for task_id in ("a1", "a2", "a3")]
    one, other, third = await asyncio.gather(*asked, return_exceptions=True)
    assert (one, third) == ("a1", "a3")
    assert isinstance(other, UnreadableBytes)
    assert "'a2' is of another kind" in str(other)

    assert await redis.execute("EXISTS", "petiole:task:a2") == 0
    waiting = await redis.execute("LLEN", "celery") + await redis.execute("ZCARD", "petiole:scheduled")
    assert (waiting, await redis.execute("ZCARD", "petiole:open")) == (2, 2)
    assert await redis.execute("GET", "petiole:history:a2") == b"no list"
