"""What starting a workflow writes into Redis."""

from dataclasses import replace

import pytest

from bridge import Cancelled, TaskClient, chain, chord, connect, group, signature
from bridge.errors import DuplicateTask, InvalidMessage, PublisherBusy, QueueSaturated
from bridge.handle import ChainHandle, GroupHandle, TaskHandle
from bridge.launcher import Launcher
from bridge.parts import open_parts
from bridge.protocol.state import Status
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from tests.clocks import Clock
from tests.integration.breaking import GoesAway
from tests.integration.submissions import identity

LIMIT = 10_000
A, B, C = (signature(name) for name in "abc")
A_FEW, MANY = 100, 2
"""Tasks of one round trip: as many as the workflow has, and fewer."""


async def test_a_workflow_of_which_one_task_cannot_be_sent_is_not_begun(redis: Redis, shared_url: str) -> None:
    small, large = signature("a", ("x",)), signature("a", ("x" * LIMIT,))
    async with connect(shared_url, max_message_bytes=LIMIT) as client:
        with pytest.raises(InvalidMessage, match="the limit"):
            await client.start(chord([small, large], small))
        assert await redis.execute("DBSIZE") == 0


async def test_a_chord_is_counted_on_the_backends_database(redis: Redis, shared_url: str) -> None:
    backend = shared_url.removesuffix("/0") + "/1"
    task = signature("a")
    async with connect(shared_url, backend=backend) as client:
        await client.start(group(chord([task, task], task), task))
    assert await redis.execute("LLEN", "celery") == 3
    assert not await redis.execute("KEYS", "celery-*")
    (counter,) = await _keys_of(backend)
    assert counter.startswith(b"celery-taskset-meta-")
    assert counter.endswith(b".s")


@pytest.mark.parametrize("database", ["/0", "/1"], ids=["one database", "two databases"])
async def test_a_chord_that_comes_again_under_its_id_begins_anew(redis: Redis, shared_url: str, database: str) -> None:
    """Workers of Celery 5.7 keep there that the body was sent, and would not send it again."""
    backend, claim = shared_url.removesuffix("/0") + database, "celery-taskset-meta-mine.c"
    task = signature("a")
    async with connect(shared_url, backend=backend) as client, Redis.open(backend, client.settings) as results:
        await results.execute("SET", claim, "done")
        await client.start(chord([task, task], task).set(task_id="mine"))
        assert not await results.execute("EXISTS", claim)
        assert await results.execute("GET", "celery-taskset-meta-mine.s") == b"2"


async def test_a_chain_that_is_longer_than_the_stack_may_stand_in_a_header(client: TaskClient, redis: Redis) -> None:
    long = chain(*[A] * 1_200, group(B, C))
    handle = await client.start(chord([long, A], C))
    assert await redis.execute("LLEN", "celery") == 2
    assert isinstance(handle, ChainHandle)
    assert await handle.status() is Status.SUBMITTED


async def test_what_a_chord_counts_with_lives_as_long_as_it_is_waited_for_whatever_the_life_of_records(
    redis: Redis, shared_url: str
) -> None:
    put_off = A.set(countdown=3 * 86_400)
    async with connect(shared_url, ended_ttl=1, result_expires=600) as client:
        await client.start(chord([A, B], C).set(task_id="now"))
        await client.start(chord([put_off, put_off], C).set(task_id="later"))
        await client.start(A.set(task_id="cancelled"))
        await client.cancel("cancelled")
    lives = [("celery-taskset-meta-now.s", 600), ("celery-taskset-meta-later.s", 600 + 3 * 86_400)]
    for key, seconds in [*lives, ("celery-task-meta-cancelled", 600)]:
        assert seconds - 5 < await redis.execute("TTL", key) <= seconds


async def test_a_chord_that_workers_forget_before_its_header_has_ended_is_refused(
    client: TaskClient, redis: Redis
) -> None:
    with pytest.raises(InvalidMessage, match="the body would never run") as refused:
        await client.start(chord([A, B.set(countdown=3 * 86_400)], C))
    assert refused.value.pointer == "/header/1"
    assert await redis.execute("DBSIZE") == 0


async def _keys_of(url: str) -> list[bytes]:
    async with connect(url) as client, Redis.open(url, client.settings) as redis:
        keys: list[bytes] = await redis.execute("KEYS", "*")
        return keys


@pytest.mark.parametrize(("database", "trips"), [("/0", 1), ("/1", 2)], ids=["one database", "two databases"])
async def test_a_chord_starts_in_one_round_trip_where_its_counter_is_on_the_same_database(
    redis: Redis, shared_url: str, database: str, trips: int
) -> None:
    work = chord([signature("a"), signature("b")], signature("c"))
    async with connect(shared_url, backend=shared_url.removesuffix("/0") + database) as client:
        await client.start(work)  # connects, and has the script loaded
        reads = await _reads(redis)
        await client.start(work)
        assert await _reads(redis) - reads == trips + 1  # and the one that asks


async def test_of_a_chord_whose_queue_is_too_deep_nothing_is_queued_or_recorded(redis: Redis, shared_url: str) -> None:
    async with connect(shared_url, max_queue_depth=1) as client:
        with pytest.raises(QueueSaturated):
            await client.start(chord([A, B], C))
    assert await redis.execute("EXISTS", "celery", "petiole:index", "petiole:planned") == 0


def tasks_of(handle: object) -> list[str]:
    """The ids of a chain with a group in it, in their order."""
    assert isinstance(handle, ChainHandle)
    parts = [part for step in handle.steps for part in (step.children if isinstance(step, GroupHandle) else [step])]
    return [part.task_id for part in parts if isinstance(part, TaskHandle)]


@pytest.mark.parametrize("size", [A_FEW, MANY])
async def test_every_step_is_known_before_its_turn_comes(redis: Redis, shared_url: str, size: int) -> None:
    async with connect(shared_url, submit_batch=size) as client:
        handle = await client.start(chain(A, group(B, B), C))
        records = [await client.record(task_id) for task_id in tasks_of(handle)]
    assert [(record.task, record.status) for record in records] == [(name, Status.SUBMITTED) for name in "abbc"]
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_cancel_is_noted_of_every_step_also_of_one_whose_turn_has_not_come(
    client: TaskClient, redis: Redis
) -> None:
    """A worker that is away now is told when it comes, as of any task."""
    handle = await client.start(chain(A, group(B, B), C))
    assert isinstance(handle, ChainHandle)
    assert await handle.cancel(reason="enough") is Cancelled.NEVER_RAN
    assert await redis.execute("LLEN", "celery") == 0
    assert [(await client.record(task_id)).cancel_reason for task_id in tasks_of(handle)] == ["enough"] * 4


async def test_nothing_is_known_of_a_workflow_without_records(client: TaskClient, redis: Redis) -> None:
    await client.start(chain(A, B), record=False)
    assert not await redis.execute("KEYS", "petiole:*")


@pytest.mark.parametrize("size", [A_FEW, MANY])
async def test_a_workflow_with_a_step_whose_id_is_taken_is_not_begun(redis: Redis, shared_url: str, size: int) -> None:
    taken = B.set(task_id="taken")
    async with connect(shared_url, submit_batch=size) as client:
        await client.as_owner("bob").submit("theirs", task_id="taken", queue="theirs")
        for canvas in (chain(A, B, taken), chain(A, group(B, chain(B, taken)), C), chord([A, B], taken)):
            with pytest.raises(DuplicateTask, match="'taken'"):
                await client.start(canvas)
        assert (await client.record("taken")).task == "theirs"
    assert await redis.execute("EXISTS", "celery", "petiole:planned") == 0


@pytest.mark.parametrize("size", [A_FEW, MANY])
async def test_a_workflow_with_two_steps_of_one_id_is_not_begun(redis: Redis, shared_url: str, size: int) -> None:
    async with connect(shared_url, submit_batch=size) as client:
        mine = B.set(task_id="mine")
        with pytest.raises(DuplicateTask, match="'mine'"):
            await client.start(chain(A, mine, mine))
        await client.start(chain(A, B, mine))
        assert (await client.record("mine")).task == "b"
    assert await redis.execute("LLEN", "celery") == 1


async def test_a_workflow_that_has_begun_is_not_refused_because_its_later_steps_cannot_be_recorded(
    redis: Redis, settings: BridgeSettings
) -> None:
    settings = settings.model_copy(update={"submit_batch": 1})
    async with (
        open_parts(settings) as parts,
        GoesAway.open(settings.redis_url, settings) as away,
        Publisher.open(away, settings, identity(Clock())) as publisher,
    ):
        await Launcher(settings, replace(parts, publisher=publisher)).start(chain(A, B), record=True)
    assert await redis.execute("LLEN", "celery") == 1
    assert not await redis.execute("EXISTS", "petiole:planned")


async def test_of_a_group_that_is_too_much_at_once_the_rest_is_queued_before_it_is_said(
    redis: Redis, shared_url: str
) -> None:
    async with connect(shared_url, max_pending_submits=3, submit_batch=2) as client:
        with pytest.raises(PublisherBusy):
            await client.start(group(A, A, B, B))
        assert await redis.execute("LLEN", "celery") == 3


async def _reads(redis: Redis) -> int:
    """How often the server has read from a connection."""
    stats = await redis.execute("INFO", "stats")
    return int(stats["total_reads_processed"])
