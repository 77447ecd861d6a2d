"""Remote control: what workers hear, what becomes of their replies, and what is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.errors import InvalidMessage, PublisherBusy, UnreadableBytes
from bridge.ids import Ids
from bridge.protocol.control import BINDING_LIFE_MS, BINDINGS, DEADLINES, REPLY_EXCHANGE
from bridge.protocol.envelope import open_json
from bridge.redis import Redis
from bridge.remote.control import Inquiry, TaskControl
from bridge.remote.mailbox import LATE_MS, MAX_CALLS, MAX_TIMEOUT, Mailbox
from tests.celery_says import envelope
from tests.control_calls import ASKED_BEFORE, CALLS, TOLD, comparable, replied
from tests.integration.pidbox import PONG, Body, Panel, as_many, serving, waiting_reads
from tests.integration.submissions import until
from tests.recorded import TICKET, control_calls, versions

LONG, SHORT = 30.0, 0.2


@pytest.fixture
def control(redis: Redis) -> TaskControl:
    return TaskControl(Mailbox(redis, Ids().new))


@pytest.fixture
async def panel(redis: Redis) -> AsyncIterator[Panel]:
    """A worker that does not reply before it is told to."""
    worker = Panel(redis, "w1@example", answer=None)
    async with serving(worker):
        yield worker


async def left_behind(redis: Redis) -> list[str]:
    """Keys that are there now; a list that a late reply may come to has a time to live."""
    keys = sorted(key.decode() for key in await redis.execute("KEYS", "*"))
    return [key for key in keys if not 0 < await redis.execute("PTTL", key) <= LATE_MS]


@pytest.mark.parametrize("version", ["", *versions()])
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_the_command_that_celery_sends_and_gives_what_workers_reply(
    control: TaskControl, panel: Panel, version: str, name: str
) -> None:
    recorded = control_calls(version)[name]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        call = group.create_task(_call(control, name))
        if name in ASKED_BEFORE:
            asked = await panel.hears()
            assert asked["method"] == ASKED_BEFORE[name]
            await panel.replies(asked, {panel.name: {}})
        command = await panel.commands.get()
        body = open_json(command)
        reply = recorded.reply or envelope({panel.name: {}}, headers={"ticket": TICKET}).decode()
        await panel.pushes(body, reply.replace(TICKET, body["ticket"]).encode())

    assert comparable(command) == recorded.command
    assert call.result() == open_json(reply.encode())


async def _call(control: TaskControl, name: str) -> object:
    return await replied(control, name, {"timeout": LONG})


@pytest.mark.parametrize("name", TOLD)
async def test_an_order_asks_for_no_reply_unless_it_is_told_to(control: TaskControl, panel: Panel, name: str) -> None:
    assert await TOLD[name](control, {"timeout": SHORT}) == {}
    if name in ASKED_BEFORE:
        assert (await panel.hears())["method"] == ASKED_BEFORE[name]
    body = await panel.hears()
    assert body.keys() == {"method", "arguments", "destination", "pattern", "matcher"}


async def test_a_shutdown_is_heard_by_those_whom_it_names(control: TaskControl, panel: Panel) -> None:
    await control.shutdown(destination=["w1@example"])
    body = await panel.hears()
    assert (body["method"], body["arguments"], body["destination"]) == ("shutdown", {}, ["w1@example"])


async def test_a_call_returns_as_soon_as_every_worker_has_replied(control: TaskControl, redis: Redis) -> None:
    started = time.monotonic()
    async with serving(Panel(redis, "w1@example"), Panel(redis, "w2@example")):
        replies = await control.ping(timeout=LONG)
    assert replies == {"w1@example": PONG, "w2@example": PONG}
    assert time.monotonic() - started < LONG / 2
    assert await redis.execute("DBSIZE") == 0


async def test_a_call_without_any_worker_returns_at_once(control: TaskControl, redis: Redis) -> None:
    async with asyncio.timeout(5):
        assert await control.ping(timeout=LONG) == {}
    assert await redis.execute("DBSIZE") == 0


async def test_a_call_waits_for_those_only_whom_it_names_or_for_so_many(control: TaskControl, redis: Redis) -> None:
    async with serving(Panel(redis, "w1@example"), Panel(redis, "w2@example")), asyncio.timeout(5):
        assert await control.ping(timeout=LONG, destination=["w2@example"]) == {"w2@example": PONG}
        assert len(await control.ping(timeout=LONG, limit=1)) == 1
    assert await left_behind(redis) == []


async def test_a_reply_that_comes_too_late_is_dropped_and_leaves_no_list_for_ever(
    control: TaskControl, redis: Redis, panel: Panel
) -> None:
    async with serving(Panel(redis, "w2@example")):
        assert await control.ping(timeout=SHORT) == {"w2@example": PONG}
    body = await panel.hears()
    assert await panel.queues_of(body) == []

    queue = f"{body['ticket']}.{REPLY_EXCHANGE}"  # as of a worker that had read the bindings just before
    await redis.execute("LPUSH", queue, envelope({"w1@example": PONG}))
    assert await left_behind(redis) == []
    assert await control.ping(timeout=SHORT, limit=1) == {}


async def test_a_call_that_is_cancelled_leaves_nothing(control: TaskControl, redis: Redis, panel: Panel) -> None:
    call = asyncio.create_task(control.ping(timeout=LONG))
    await panel.hears()
    await until(lambda: as_many(redis, 1))
    call.cancel()
    await asyncio.wait([call], timeout=5)

    assert call.cancelled()
    await until(lambda: as_many(redis, 0))
    assert await left_behind(redis) == []


async def test_a_call_that_is_cancelled_twice_leaves_nothing(control: TaskControl, redis: Redis, panel: Panel) -> None:
    call = asyncio.create_task(control.ping(timeout=LONG))
    await panel.hears()
    call.cancel()
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.call_soon(call.cancel))  # when it is ending the call already
    await asyncio.wait([call], timeout=5)

    assert call.cancelled()
    await until(lambda: _is_clean(redis))


async def _is_clean(redis: Redis) -> bool:
    return await left_behind(redis) == [] and not await waiting_reads(redis)


async def test_many_calls_take_turns_and_hold_up_nobody_else(control: TaskControl, redis: Redis, panel: Panel) -> None:
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        calls = [group.create_task(control.ping(timeout=LONG)) for _ in range(2 * MAX_CALLS)]
        bodies = [await panel.hears() for _ in range(MAX_CALLS)]
        await until(lambda: as_many(redis, MAX_CALLS))
        assert await redis.execute("PING")
        for _ in range(MAX_CALLS):
            await panel.replies(bodies.pop(), {panel.name: PONG})
            bodies.append(await panel.hears())
        for body in bodies:
            await panel.replies(body, {panel.name: PONG})
    assert [call.result() for call in calls] == [{panel.name: PONG}] * len(calls)


async def test_a_call_whose_turn_does_not_come_in_its_time_is_not_sent(
    control: TaskControl, redis: Redis, panel: Panel
) -> None:
    calls = [asyncio.create_task(control.ping(timeout=LONG)) for _ in range(MAX_CALLS)]
    for _ in calls:
        await panel.hears()
    begun = time.monotonic()
    with pytest.raises(PublisherBusy):
        await control.ping(timeout=SHORT)
    assert SHORT <= time.monotonic() - begun < LONG / 2
    assert panel.commands.empty()

    for call in calls:
        call.cancel()
    await asyncio.wait(calls, timeout=5)
    assert await control.ping(timeout=SHORT) == {}
    assert (await panel.hears())["method"] == "ping"


async def test_what_a_call_leaves_to_be_done_is_done_before_its_client_is_gone(redis: Redis, panel: Panel) -> None:
    async with Redis.open(redis.settings.broker, redis.settings) as own:
        assert await TaskControl(Mailbox(own, Ids().new)).ping(timeout=SHORT) == {}
    assert await left_behind(redis) == []


async def test_replies_to_others_and_what_cannot_be_read_are_passed_over(control: TaskControl, redis: Redis) -> None:
    panel = Panel(redis, "w1@example", answer=None)
    async with serving(panel, Panel(redis, "w2@example")), asyncio.timeout(10), asyncio.TaskGroup() as group:
        call = group.create_task(control.ping(timeout=LONG))
        body = await panel.hears()
        await panel.replies(body, {"w3@example": PONG}, headers={"ticket": "another"})
        await panel.pushes(body, b"a pickle")
    assert call.result() == {"w2@example": PONG}


async def test_workers_of_one_name_are_told_of(
    control: TaskControl, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Panel(redis, "w1@example"), Panel(redis, "w1@example")):
        assert await control.ping(timeout=LONG) == {"w1@example": PONG}
    assert "more than one worker is called w1@example" in caplog.text


async def test_what_a_worker_cannot_do_is_a_reply(control: TaskControl, redis: Redis) -> None:
    error = {"error": "ValueError('Autoscale not enabled')"}

    def refuse(_body: Body) -> object:
        return error

    async with serving(Panel(redis, "w1@example", answer=refuse)):
        assert await control.autoscale(3, 1, reply=True) == {"w1@example": error}


async def test_the_sweep_of_kombu_5_7_does_not_take_the_binding_of_a_call(
    control: TaskControl, redis: Redis, panel: Panel
) -> None:
    await redis.execute("ZADD", DEADLINES, 1, REPLY_EXCHANGE)
    await control.ping(timeout=SHORT)

    seconds, _ = await redis.execute("TIME")
    deadline = float(await redis.execute("ZSCORE", DEADLINES, REPLY_EXCHANGE))
    assert deadline == pytest.approx(int(seconds) * 1_000 + BINDING_LIFE_MS, abs=10_000)


async def test_without_kombu_5_7_no_deadline_is_set_for_the_bindings_of_others(
    control: TaskControl, redis: Redis, panel: Panel
) -> None:
    await control.ping(timeout=SHORT)
    assert await redis.execute("EXISTS", DEADLINES) == 0


async def test_bindings_of_another_layout_are_refused_and_nothing_is_sent(
    control: TaskControl, redis: Redis, panel: Panel, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.execute("ZADD", BINDINGS, 1, "as somebody else does")
    with pytest.raises(UnreadableBytes, match=f"{BINDINGS} is a sorted set, and Kombu keeps .*: leave out `reply`"):
        await control.pool_grow(reply=True)
    await control.heartbeat()
    assert (await panel.hears())["method"] == "heartbeat"
    assert await left_behind(redis) == [BINDINGS]
    assert not caplog.records


@pytest.mark.parametrize(
    ("inquiry", "pointer"),
    [
        ({"timeout": 0}, "/timeout"),
        ({"timeout": float("nan")}, "/timeout"),
        ({"timeout": MAX_TIMEOUT + 1}, "/timeout"),
        ({"timeout": "1"}, "/timeout"),
        ({"timeout": None}, "/timeout"),
        ({"timeout": True}, "/timeout"),
        ({"timeout": 10**5_000}, "/timeout"),
        ({"limit": 0}, "/limit"),
        ({"limit": "x"}, "/limit"),
        ({"limit": 1.5}, "/limit"),
        ({"destination": 5}, "/destination"),
        ({"destination": "w1@example"}, "/destination"),
        ({"matcher": "glob"}, "/matcher"),
    ],
)
async def test_a_call_that_cannot_be_is_refused_and_nothing_is_sent(
    control: TaskControl, panel: Panel, inquiry: Inquiry, pointer: str
) -> None:
    for call in (control.ping(**inquiry), control.pool_grow(**inquiry)):
        with pytest.raises(InvalidMessage) as refused:
            await call
        assert refused.value.pointer == pointer
    assert panel.commands.empty()


async def test_an_argument_that_is_misspelt_does_not_make_it_a_call_to_all(control: TaskControl, panel: Panel) -> None:
    misspelt: Any = {"destnation": ["w1@example"]}
    for call in (control.ping(**misspelt), control.pool_grow(**misspelt), control.shutdown(**misspelt)):
        with pytest.raises(TypeError, match="there is no argument 'destnation'; there are destination, pattern"):
            await call
    assert panel.commands.empty()
