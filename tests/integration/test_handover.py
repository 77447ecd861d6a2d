"""Watchers beside each other, and one that is behind: what it has still to tell is told, and told first."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

import pytest

from bridge.alongside import alongside
from bridge.follow.hub import Hub
from bridge.protocol.news import News
from bridge.records.status_store import Advanced, StatusStore
from bridge.redis import Echo, Published, Redis
from bridge.results.backend import ResultBackend
from bridge.settings import BridgeSettings
from bridge.submit.publisher import Publisher
from bridge.watch.handover import SILENCE_SECONDS, Handover
from bridge.watch.listener import Listener
from bridge.watch.watcher import Installation, Watcher
from tests.celery_says import meta, received, started
from tests.clocks import Clock
from tests.integration.submissions import DEADLINE, submission, until
from tests.integration.test_sayings import output
from tests.integration.watching import Worker, following, history, watcher

LINES = 5


class Slow(StatusStore):
    """A store that records what it is first told when it is let go on."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        super().__init__(redis, settings)
        self.asked = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def advance(self, news: Sequence[News]) -> list[Advanced]:
        if not self.asked.is_set():
            self.asked.set()
            await self.goes_on.wait()
        return await super().advance(news)


@pytest.fixture
def slow(redis: Redis, settings: BridgeSettings) -> Slow:
    return Slow(redis, settings)


async def falls_behind(worker: Worker, slow: Slow) -> None:
    """Have a watcher hear of a task, and the lines that it says, while its store is slow."""
    await worker.says(received("a1"))
    async with asyncio.timeout(DEADLINE):
        await slow.asked.wait()
    await worker.says(started("a1"), *(output(number) for number in range(LINES)))


async def test_a_watcher_that_begins_lets_one_that_is_behind_tell_first(
    redis: Redis, publisher: Publisher, store: StatusStore, slow: Slow, hub: Hub, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    async with following(redis, watcher(redis, slow, clock, "behind")) as worker:
        await falls_behind(worker, slow)
        async with following(redis, watcher(redis, store, clock, "begins")):
            await until(lambda: worker.is_heard_by(2))
            await worker.says(*(output(LINES + number) for number in range(LINES)))
            await until(lambda: is_noted(redis, "begins"))
            slow.goes_on.set()
            await worker.stores("a1", "SUCCESS", 3)
            told = [kind for kind, _ in await history(store, hub)]
    assert told == ["submitted", "received", "running", *["output"] * (2 * LINES), "succeeded"]


async def is_noted(redis: Redis, name: str) -> bool:
    return bool(await redis.execute("HEXISTS", "petiole:handover", name))


async def test_a_sweep_finds_an_end_after_all_that_was_said_before_it(
    redis: Redis, publisher: Publisher, store: StatusStore, slow: Slow, hub: Hub, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    backend = Read(redis, store.settings)
    behind = Watcher(Installation.of(redis, slow, backend, "behind"), lambda: clock.ms)
    async with following(redis, behind) as worker:
        await falls_behind(worker, slow)
        await worker.keeps("a1", meta("a1", "SUCCESS", 3))
        sweep = asyncio.create_task(behind.sweep())
        async with asyncio.timeout(DEADLINE):
            await backend.found.wait()
        slow.goes_on.set()
        await sweep
        told = [kind for kind, _ in await history(store, hub)]
    assert told == ["submitted", "received", "running", *["output"] * LINES, "succeeded"]


async def test_watchers_that_begin_across_each_other_do_not_wait_for_each_other(
    redis: Redis, publisher: Publisher, store: StatusStore, hub: Hub, clock: Clock
) -> None:
    await publisher.publish(submission("a1"))
    backend = Gated(redis, store.settings)
    first = Watcher(Installation.of(redis, store, backend, "first"), lambda: clock.ms)
    second = watcher(redis, store, clock, "second")
    async with alongside(first.follow(), "first"):
        await until(lambda: has_begun(redis, "first", "events"))
        async with alongside(second.follow(), "second"):
            await until(lambda: has_begun(redis, "second", "events", "results"))
            backend.gate.set()
            worker = Worker(redis)
            await until(lambda: worker.is_heard_by(2))
            await worker.says(received("a1"), started("a1"), output(1))
            await worker.stores("a1", "SUCCESS", 3)
            told = [kind for kind, _ in await history(store, hub)]
    assert told == ["submitted", "received", "running", "output", "succeeded"]


async def has_begun(redis: Redis, name: str, *sources: str) -> bool:
    note = json.loads(await redis.execute("HGET", "petiole:handover", name) or '{"begun": {}}')
    return all(note["begun"].get(source) for source in sources)


class Gated(ResultBackend):
    """A result backend that can be listened to when its gate is open."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        super().__init__(redis, settings)
        self.gate = asyncio.Event()

    async def published(self, echo: Echo | None = None) -> AsyncGenerator[Published, None]:
        await self.gate.wait()
        async with aclosing(super().published(echo)) as messages:
            async for message in messages:
                yield message


class Read(ResultBackend):
    """A result backend that tells when something was found there."""

    def __init__(self, redis: Redis, settings: BridgeSettings) -> None:
        super().__init__(redis, settings)
        self.found = asyncio.Event()

    async def stored(self, task_ids: Sequence[str]) -> list[bytes | None]:
        values = await super().stored(task_ids)
        if any(values):
            self.found.set()
        return values


@pytest.fixture
def elder(redis: Redis, settings: BridgeSettings) -> Handover:
    """The part of a watcher that has told nothing yet."""
    return Handover(redis, settings, "elder")


async def test_one_that_has_told_nothing_is_waited_for_until_it_says_goodbye(
    redis: Redis, settings: BridgeSettings, elder: Handover
) -> None:
    async with elder.taking_part():
        await elder.begin("events")
        begins = asyncio.create_task(Handover(redis, settings, "younger").begin("events"))
        await until(lambda: is_noted(redis, "younger"))
        assert not begins.done()
    async with asyncio.timeout(DEADLINE):
        await begins


async def test_one_that_has_gone_without_a_goodbye_is_not_waited_for_and_forgotten(
    redis: Redis, settings: BridgeSettings, elder: Handover, clock: Clock
) -> None:
    await elder.begin("events")
    begins = asyncio.create_task(Handover(redis, settings, "younger", clock).begin("events"))

    async def has_begun() -> bool:
        await redis.execute("PING")
        clock.now += SILENCE_SECONDS / 10
        return begins.done()

    await until(has_begun)
    assert not await is_noted(redis, "elder")


async def test_one_whose_note_is_not_understood_is_not_waited_for(redis: Redis, settings: BridgeSettings) -> None:
    for name, note in {"newer": '{"a":1}', "cut": '{"begun":', "other": "[]"}.items():
        await redis.execute("HSET", "petiole:handover", name, note)
    async with asyncio.timeout(DEADLINE):
        await Handover(redis, settings, "younger").begin("events")


async def test_one_that_lives_and_is_too_far_behind_is_not_waited_for_for_ever(
    redis: Redis, settings: BridgeSettings, elder: Handover, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await elder.begin("events")
    begins = asyncio.create_task(Handover(redis, settings, "younger", clock).begin("events"))

    async def has_begun() -> bool:
        await elder.beat()
        clock.now += 1
        return begins.done()

    await until(has_begun)
    assert "elder too far behind" in caplog.text


@pytest.mark.parametrize("source", ["events", "results"])
async def test_what_another_listens_to_later_or_not_at_all_is_not_waited_for(
    redis: Redis, settings: BridgeSettings, elder: Handover, source: str
) -> None:
    await elder.begin("events")
    if source == "events":
        elder.end("events")
        await elder.beat()
    async with asyncio.timeout(DEADLINE):
        await Handover(redis, settings, "younger").begin(source)


async def nothing_to_tell() -> None:
    pass


async def test_what_is_heard_of_one_source_does_not_wait_for_a_beginning_of_the_other(
    redis: Redis, settings: BridgeSettings, elder: Handover
) -> None:
    younger = Handover(redis, settings, "younger")
    await elder.begin("events")
    await younger.begin("results")
    begins_events = asyncio.create_task(younger.begin("events"))
    begins_results = asyncio.create_task(elder.begin("results"))
    await until(lambda: has_begun(redis, "younger", "events"))
    await until(lambda: has_begun(redis, "elder", "results"))
    assert (set(elder.listens_to), set(younger.listens_to)) == ({"events"}, {"results"})

    async with asyncio.timeout(DEADLINE):
        for one, source in ((elder, "events"), (younger, "results")):
            await one.catch_up(source, nothing_to_tell)
            await one.beat()
        await asyncio.gather(begins_events, begins_results)


async def test_what_was_missed_is_looked_for_when_all_sources_are_listened_to(elder: Handover) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    missed: list[str] = []

    async def published(source: str) -> AsyncGenerator[Published, None]:
        yield Published()
        yield Published(channel=source, data=source.encode())
        await asyncio.Event().wait()

    listening = []
    for number, source in enumerate(("events", "results")):
        listener = Listener(source, partial(published, source), heard.put, nothing_to_tell, elder)
        listening.append(asyncio.create_task(listener.listen(partial(missed.append, source))))
        async with asyncio.timeout(DEADLINE):
            assert await heard.get() == source.encode()
        assert missed == ["results"] * number
    for task in listening:
        task.cancel()
