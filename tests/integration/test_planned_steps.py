"""Later steps of a workflow are known from its start, and end when they will never run."""

import asyncio
from dataclasses import replace

import pytest

from bridge import Canvas, SubmitOptions, TaskClient, chain, chord, connect, group, signature
from bridge.errors import DuplicateTask, InvalidMessage, QueueSaturated
from bridge.follow.feed_entry import FeedEntry, Selection
from bridge.protocol.events import read_events
from bridge.protocol.route import Route
from bridge.protocol.signature import Chord, Signature
from bridge.protocol.state import Status
from bridge.records.status_store import StatusStore
from bridge.records.task_list import TaskFilter
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Planned
from bridge.submit.planned_steps import PlannedSteps
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import BreaksOff
from tests.integration.steps import LATER, A, B, C, D, ids, statuses
from tests.integration.submissions import identity, submission
from tests.integration.telling import news


async def test_every_step_is_known_and_of_the_batch_before_its_turn_comes(client: TaskClient, redis: Redis) -> None:
    cursor = await client.feed.end()
    result = (await client.start_batch(chain(A, group(B, C), D), "w1")).result
    assert await statuses(client) == dict.fromkeys("abcd", "submitted")
    assert await redis.execute("LLEN", "celery") == 1
    assert (await client.record(result.id)).batch_id == "w1"
    with client.feed.following(Selection(batches={"w1"}), cursor) as follower:
        steps = [step for step in await follower.catch_up() if isinstance(step, FeedEntry)]
    assert sorted(str(step.task) for step in steps) == ["a", "b", "c", "d"]


async def test_later_steps_are_of_the_owner(client: TaskClient) -> None:
    result = (await client.as_owner("ann").start_batch(chain(A, B), "w1")).result
    assert (await client.as_owner("ann").record(result.id)).task == "b"
    assert await statuses(client.as_owner("ann")) == {"a": "submitted", "b": "submitted"}
    assert await statuses(client.as_owner("bob")) == {}


async def test_a_step_goes_on_when_a_worker_begins_with_it(client: TaskClient, store: StatusStore) -> None:
    await client.start_batch(chain(A, B), "w1")
    known = await ids(client)
    await store.advance([news(Status.SUCCEEDED, task_id=known["a"])])
    await store.advance([news(Status.RUNNING, task_id=known["b"])])
    assert await PlannedSteps(store).conclude(LATER) == 0
    assert await statuses(client) == {"a": "succeeded", "b": "running"}


async def test_of_a_workflow_that_is_refused_nothing_is_queued_or_recorded(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url, max_queue_depth=1) as client:
        with pytest.raises(QueueSaturated):
            await client.start_batch(chord([A, B], C), "w1")
        assert await statuses(client) == {}
    assert await redis.execute("EXISTS", "celery", "petiole:planned", "petiole:live") == 0


TAKEN = signature("b", task_id="taken")
WITH_A_TAKEN_ID: list[Canvas] = [
    chain(TAKEN, A),
    chain(A, TAKEN),
    chain(A, TAKEN, C),
    chain(A, group(B, TAKEN)),
    chain(A, group(B, chain(C, TAKEN)), D),
    chord([A, TAKEN], B),
    chord([A, B], TAKEN),
    chord([A, chain(B, TAKEN)], C),
    group(A, chord([B, C], chain(D, TAKEN))),
]


@pytest.mark.parametrize("owner", ["", "bob", "ann"])
@pytest.mark.parametrize("canvas", WITH_A_TAKEN_ID)
async def test_a_task_that_is_there_is_never_made_a_step_whoever_it_belongs_to(
    client: TaskClient, store: StatusStore, redis: Redis, canvas: Canvas, owner: str
) -> None:
    await client.as_owner(owner).submit("theirs", task_id="taken", queue="theirs")
    await store.advance([news(Status.RECEIVED, task_id="taken")])
    before = await redis.execute("HGETALL", "petiole:task:taken")

    with pytest.raises(DuplicateTask):
        await client.as_owner("ann").start_batch(canvas, "w1")
    await PlannedSteps(store).conclude(LATER)

    assert await redis.execute("HGETALL", "petiole:task:taken") == before
    assert await statuses(client) == {}
    assert await redis.execute("ZCARD", "petiole:index") == 1
    assert await redis.execute("EXISTS", "celery", "petiole:planned") == 0
    assert await redis.execute("ZCARD", "petiole:index:ann") == (owner == "ann")


async def test_every_id_of_ones_own_is_recorded_in_its_place(client: TaskClient) -> None:
    for number, canvas in enumerate(WITH_A_TAKEN_ID):
        await client.start_batch(_renamed(canvas, f"own-{number}"), f"w{number}")
        assert (await client.record(f"own-{number}")).batch_id == f"w{number}"


def _renamed(canvas: Canvas, name: str) -> Canvas:
    if isinstance(canvas, Signature):
        return canvas.set(task_id=name) if canvas == TAKEN else canvas
    if isinstance(canvas, Chord):
        header = replace(canvas.header, tasks=tuple(_renamed(task, name) for task in canvas.header.tasks))
        return replace(canvas, header=header, body=_renamed(canvas.body, name))
    return replace(canvas, tasks=tuple(_renamed(task, name) for task in canvas.tasks))


async def test_two_steps_of_one_id_are_refused(client: TaskClient) -> None:
    with pytest.raises(DuplicateTask):
        await client.start_batch(chain(A, TAKEN, TAKEN), "w1")
    assert await statuses(client) == {}


ASTRAY = B.set(queue="petiole:paused")
SENT_ASTRAY: list[Canvas] = [
    ASTRAY,
    chain(A, ASTRAY),
    chord([A, chain(B, ASTRAY)], C),
    chord([A, B], ASTRAY),
    A.link(ASTRAY),
    chain(A, B.link_error(group(C, ASTRAY))),
    chain(A, B).set(queue="petiole:paused"),
]


@pytest.mark.parametrize("canvas", SENT_ASTRAY)
async def test_nothing_is_sent_to_a_key_of_petioles_not_even_by_a_worker(
    client: TaskClient, redis: Redis, canvas: Canvas
) -> None:
    for start in (client.start_batch(canvas, "w1"), client.start(canvas)):
        with pytest.raises(InvalidMessage, match="must not start with 'petiole:'"):
            await start
    assert await redis.execute("DBSIZE") == 0


@pytest.mark.parametrize(
    "options",
    [
        SubmitOptions(link=ASTRAY),
        SubmitOptions(link_error=[A, group(B, ASTRAY)]),
        SubmitOptions(chord=A.link(ASTRAY)),
    ],
)
async def test_no_callback_is_sent_to_a_key_of_petioles(
    client: TaskClient, redis: Redis, options: SubmitOptions
) -> None:
    with pytest.raises(InvalidMessage, match="must not start with 'petiole:'"):
        await client.submit("a", **options)
    assert await redis.execute("DBSIZE") == 0


async def test_a_later_step_has_its_queue_and_its_priority_from_the_start(client: TaskClient) -> None:
    cursor = await client.feed.end()
    mail = B.set(queue="mail", priority=5)
    await client.start_batch(chain(A, mail, group(C, D.set(queue="mail", priority=3))), "w1")
    page = await client.tasks.page(TaskFilter(batch="w1", queue="mail"))
    assert {(record.task, record.priority) for record in page.tasks} == {("b", 5), ("d", 3)}
    page = await client.tasks.page(TaskFilter(batch="w1", queue="celery"))
    assert {(record.task, record.priority) for record in page.tasks} == {("a", 0), ("c", 0)}
    with client.feed.following(Selection(queues={"mail"}), cursor) as follower:
        steps = [step for step in await follower.catch_up() if isinstance(step, FeedEntry)]
    assert sorted(str(step.task) for step in steps) == ["b", "d"]


async def test_every_task_has_its_tags_from_the_start(client: TaskClient) -> None:
    cursor = await client.feed.end()
    tagged = [signature(name, tags=("x", name)) for name in "abcd"]
    await client.start_batch(chain(tagged[0], group(tagged[1], B), chord([C, tagged[2]], tagged[3])), "w1")
    for tag, tasks in (("x", "abcd"), ("d", "d")):
        page = await client.tasks.page(TaskFilter(batch="w1", tags=[tag]))
        assert {record.task for record in page.tasks} == set(tasks)
    with client.feed.following(Selection(tags={"x"}), cursor) as follower:
        steps = [step for step in await follower.catch_up() if isinstance(step, FeedEntry)]
    assert sorted(str(step.task) for step in steps) == list("abcd")


async def test_a_queue_that_is_full_or_paused_keeps_no_later_step_from_being_planned(
    redis: Redis, shared_url: str
) -> None:
    async with connect(shared_url, max_queue_depth=1) as client:
        await client.submit("d", queue="mail")
        await client.queues.pause("mail")
        await client.start_batch(chain(A, B, B, C.set(queue="mail")), "w1")
        assert await redis.execute("ZCARD", "petiole:planned") == 3
    assert await redis.execute("LLEN", "celery") == 1


async def test_only_what_is_sent_now_is_announced_as_sent(client: TaskClient, redis: Redis) -> None:
    messages = redis.listen("/0.celeryev/*")
    async with asyncio.timeout(5):
        assert (await anext(messages)).begins
        await client.start_batch(chain(A, B), "w1")
        (event,) = read_events((await anext(messages)).data)
    await messages.aclose()
    assert event["name"] == "a"


async def test_a_workflow_whose_answer_was_lost_is_queued_once(redis: Redis, settings: BridgeSettings) -> None:
    async with (
        BreaksOff.open(settings.redis_url, settings) as breaking,
        Publisher.open(breaking, settings, identity(Clock())) as publisher,
    ):
        later = publisher.ready_planned(Planned(task_id="a2", task="tasks.add", route=Route(queue="celery")))
        entries = [publisher.ready(submission("a1")), later]
        assert await publisher.accept(entries, together=True) == ["a1", "a2"]
        assert breaking.broken
    assert await redis.execute("LLEN", "celery") == 1
    assert await redis.execute("ZRANGE", "petiole:index", 0, -1) == [b"a1", b"a2"]


async def test_what_a_chord_counts_with_is_there_on_a_backend_of_its_own(redis: Redis, shared_url: str) -> None:
    backend = shared_url.removesuffix("/0") + "/1"
    async with connect(shared_url, backend=backend) as client, Redis.open(backend, client.settings) as results:
        await client.start_batch(chord([A, B], C), "w1")
        (key,) = await results.execute("KEYS", "celery-taskset-meta-*.s")
        assert await results.execute("GET", key) == b"2"
    assert await redis.execute("LLEN", "celery") == 2


async def test_a_large_group_is_one_call(client: TaskClient, redis: Redis) -> None:
    await client.start_batch(group(signature("a", (number,)) for number in range(600)), "w1")
    assert await redis.execute("LLEN", "celery") == 600
