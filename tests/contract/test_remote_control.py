"""Remote control of real workers, of the installed and of the newest Celery."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app.cli.ports import free_port
from app.cli.processes.child import Child
from app.cli.stack.embedded import server_url
from bridge import TaskClient, open_client
from bridge.errors import TaskCancelled
from bridge.ids import Ids
from bridge.protocol.control import BINDINGS, REPLY_EXCHANGE
from bridge.redis import Redis
from bridge.remote.mailbox import Replies
from bridge.settings import BridgeSettings
from tests.contract import celery_control
from tests.contract.workers_environment import NEWEST, all_there, celery, celery_python, worker
from tests.control_calls import ASKED, replied
from tests.servers import redis_server

pytestmark = pytest.mark.timeout(600)
DEADLINE = 60
W1, W2 = "w1@example", "w2@example"
STEADY = (
    "ping",
    "active",
    "reserved",
    "scheduled",
    "registered",
    "registered with attributes",
    "active_queues",
    "conf",
)
"""What a worker replies twice alike, when nothing runs."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers of one environment: two with processes, on one server of their own."""

    url: str
    python: Path
    workers: tuple[Child, Child]

    def celery(self, *arguments: str) -> str:
        """What Celery's own command line says beside us."""
        argv, env = celery(self.python, self.url, *arguments)
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **env})
        return done.stdout


@pytest.fixture(scope="module", params=["installed", "newest"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    python = Path(sys.executable) if request.param == "installed" else celery_python(NEWEST)
    port = free_port()
    url = server_url(port)
    server = redis_server(port, tmp_path_factory.mktemp("fleet"))
    workers = (worker(python, url, W1, "-c", "2", "-E"), worker(python, url, W2, "-c", "1"))
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        for one in workers:
            runner.run(one.start())
        runner.run(all_there(url, {W1, W2}))
        yield Fleet(url=url, python=python, workers=workers)
        for one in (*workers, server):
            runner.run(one.stop())


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[TaskClient]:
    async with open_client(BridgeSettings.load(redis_url=fleet.url)) as opened:
        yield opened


async def until(ask: Callable[[], Awaitable[Replies]], condition: Callable[[Replies], bool]) -> Replies:
    """Ask again and again until the replies are so."""
    async with asyncio.timeout(DEADLINE):
        while not condition(replies := await ask()):
            pass
    return replies


async def test_every_worker_replies_and_nothing_stays_behind(client: TaskClient, fleet: Fleet) -> None:
    async with Redis.open(fleet.url, client.settings) as redis, asyncio.timeout(DEADLINE):
        before = await _addresses(redis)
        for name in ASKED:
            replies = await replied(client.control, name, {"timeout": DEADLINE})
            assert replies.keys() == {W1, W2}, name
        call = asyncio.create_task(client.control.ping(timeout=1, limit=3, destination=[W1, "nobody@example"]))
        while not await _addresses(redis) - before:  # while a call waits there is something to be left behind
            assert not call.done()
        await call
        while await _addresses(redis) - before:
            pass


async def _addresses(redis: Redis) -> set[bytes]:
    """Where replies may come to: addresses, and lists that no time to live will delete."""
    lists = [key for key in await redis.execute("KEYS", f"*.{REPLY_EXCHANGE}") if key != BINDINGS.encode()]
    kept = [key for key in lists if await redis.execute("PTTL", key) < 0]
    return {*await redis.execute("SMEMBERS", BINDINGS), *kept}


@pytest.mark.parametrize("name", STEADY)
async def test_the_replies_are_those_that_celery_gets(client: TaskClient, fleet: Fleet, name: str) -> None:
    with Celery("control", broker=fleet.url, backend=fleet.url, set_as_current=False) as app:
        celerys = await asyncio.to_thread(celery_control.replied, app, name, timeout=DEADLINE, limit=2)
    assert await replied(client.control, name, {"timeout": DEADLINE}) == celerys


async def test_only_those_who_are_meant_reply(client: TaskClient) -> None:
    control = client.control
    assert (await control.ping(timeout=DEADLINE, destination=[W2])).keys() == {W2}
    assert (await control.ping(timeout=DEADLINE, pattern="w1*", limit=1)).keys() == {W1}
    assert (await control.ping(timeout=DEADLINE, pattern="w[12]@", matcher="pcre")).keys() == {W1, W2}
    assert (await control.ping(timeout=1, pattern="w2*")).keys() == {W2}
    assert await control.ping(timeout=1, destination=["w3@example"]) == {}


async def test_celerys_own_inspect_works_beside_us(client: TaskClient, fleet: Fleet) -> None:
    ours, celerys = await asyncio.gather(
        client.control.stats(timeout=DEADLINE), asyncio.to_thread(fleet.celery, "inspect", "ping", "-t", "4")
    )
    assert ours.keys() == {W1, W2}
    assert "2 nodes online" in celerys


async def test_many_calls_at_once_each_get_their_own_replies(client: TaskClient) -> None:
    pings = [client.control.ping(timeout=DEADLINE) for _ in range(20)]
    clocks = [client.control.clock(timeout=DEADLINE, destination=[W1]) for _ in range(20)]
    for ping in await asyncio.gather(*pings):
        assert ping == {W1: {"ok": "pong"}, W2: {"ok": "pong"}}
    assert all(list(clock) == [W1] for clock in await asyncio.gather(*clocks))


async def test_a_task_that_runs_is_seen_and_ended(client: TaskClient) -> None:
    control, handle = client.control, await client.submit("golden.naps", [60])
    active = await until(lambda: control.active(timeout=DEADLINE), lambda replies: any(replies.values()))
    (task,) = [task for tasks in active.values() for task in tasks]
    assert (task["id"], task["name"]) == (handle.task_id, "golden.naps")
    found = await control.query_task(handle.task_id, timeout=DEADLINE)
    assert {state for tasks in found.values() for state, _ in tasks.values()} == {"active"}

    ended = await control.terminate(handle.task_id, reply=True, timeout=DEADLINE)

    assert {"ok": f"terminate: {handle.task_id}"} in ended.values()
    await until(lambda: control.active(timeout=DEADLINE), lambda replies: not any(replies.values()))


async def test_tasks_are_revoked_one_many_or_by_their_stamps(client: TaskClient) -> None:
    control, ids = client.control, [Ids().new() for _ in range(3)]
    await control.revoke(ids[0], reply=True, timeout=DEADLINE)
    await control.revoke(ids[1:], reply=True, timeout=DEADLINE)
    for revoked in (await control.revoked(timeout=DEADLINE)).values():
        assert set(ids) <= set(revoked)
    stamped = await control.revoke_by_stamped_headers({"tenant": ["acme"]}, reply=True, timeout=DEADLINE)
    assert stamped == _both({"ok": "headers {'tenant': ['acme']} flagged as revoked, but not terminated"})

    for discarded in (
        await client.submit("golden.echo", task_id=ids[0]),
        await client.submit("golden.echo", stamps={"tenant": "acme"}),
    ):
        with pytest.raises(TaskCancelled):
            await discarded.result(DEADLINE)
    assert await (await client.submit("golden.echo", stamps={"tenant": "odd"})).result(DEADLINE) == [[], {}]


async def test_a_worker_takes_tasks_of_one_more_queue_until_it_is_told_not_to(client: TaskClient) -> None:
    control = client.control
    added = await control.add_consumer("mail", destination=[W1], reply=True, timeout=DEADLINE)
    assert added == {W1: {"ok": "add consumer mail"}}
    await until(lambda: control.active_queues(timeout=DEADLINE), lambda replies: "mail" in _names(replies[W1]))
    await client.submit("golden.echo", queue="mail")
    await until(lambda: _depth(client, "mail"), lambda depth: not depth["mail"])

    await control.cancel_consumer("mail", destination=[W1], reply=True, timeout=DEADLINE)
    await until(lambda: control.active_queues(timeout=DEADLINE), lambda replies: "mail" not in _names(replies[W1]))


def _names(queues: list[dict[str, Any]]) -> list[str]:
    return [queue["name"] for queue in queues]


async def _depth(client: TaskClient, queue: str) -> Replies:
    return {depth.name: depth.ready for depth in (await client.backlog()).queues if depth.name == queue}


async def test_pools_and_limits_change_and_what_cannot_be_is_a_reply(client: TaskClient) -> None:
    control = client.control
    assert await control.pool_grow(2, destination=[W2], reply=True, timeout=DEADLINE) == {W2: {"ok": "pool will grow"}}
    await until(lambda: control.stats(timeout=DEADLINE), lambda replies: _processes(replies[W2]) == 3)
    await control.pool_shrink(2, destination=[W2], reply=True, timeout=DEADLINE)
    await until(lambda: control.stats(timeout=DEADLINE), lambda replies: _processes(replies[W2]) == 1)

    limited = await control.rate_limit("golden.echo", "100/m", reply=True, timeout=DEADLINE)
    assert limited == _both({"ok": "new rate limit set successfully"})
    await control.rate_limit("golden.echo", None, reply=True, timeout=DEADLINE)
    unknown = await control.time_limit("nowhere", 1, 2, reply=True, timeout=DEADLINE)
    assert unknown == _both({"error": "unknown task"})
    refused = await control.autoscale(3, 1, reply=True, timeout=DEADLINE)
    assert refused == _both({"error": "ValueError('Autoscale not enabled')"})


def _both(reply: object) -> Replies:
    return {W1: reply, W2: reply}


def _processes(stats: dict[str, Any]) -> int:
    return len(stats["pool"]["processes"])


async def test_a_worker_tells_of_tasks_by_events_from_when_it_is_asked_to(client: TaskClient) -> None:
    enabled = await client.control.enable_events(destination=[W2], reply=True, timeout=DEADLINE)
    assert enabled == {W2: {"ok": "task events enabled"}}
    async with aclosing(client.events()) as events, asyncio.timeout(DEADLINE):
        assert (await anext(events)).group == "worker"
        handle = await client.submit("golden.sends_progress")
        kinds = []
        while "task-succeeded" not in kinds:
            event = await anext(events)
            kinds += [event.type] if event.task_id == handle.task_id else []
    assert kinds == ["task-sent", "task-received", "task-started", "task-progress", "task-succeeded"]

    disabled = await client.control.disable_events(destination=[W2], reply=True, timeout=DEADLINE)
    assert disabled == {W2: {"ok": "task events disabled"}}


async def test_a_heartbeat_comes_when_it_is_asked_for(client: TaskClient) -> None:
    async with aclosing(client.events()) as events, asyncio.timeout(DEADLINE):
        assert (await anext(events)).group == "worker"
        await client.control.heartbeat(destination=[W1])
        while (event := await anext(events)).details.get("freq") != 5:  # those of its own accord say 2
            pass
    assert (event.type, event.hostname) == ("worker-heartbeat", W1)


async def test_a_worker_of_the_solo_pool_replies_between_tasks(client: TaskClient, fleet: Fleet) -> None:
    solo = "solo@example"
    async with worker(fleet.python, fleet.url, solo, "-P", "solo", "-Q", "slow"):
        await all_there(fleet.url, {W1, W2, solo})
        handle = await client.submit("golden.naps", [2], queue="slow")
        await until(lambda: _depth(client, "slow"), lambda depth: not depth["slow"])

        assert await client.control.ping(timeout=0.5, destination=[solo]) == {}
        assert await client.control.ping(timeout=DEADLINE, destination=[solo]) == {solo: {"ok": "pong"}}
        assert await client.control.query_task(handle.task_id, timeout=DEADLINE, destination=[solo]) == {solo: {}}


async def test_a_worker_that_is_shut_down_goes_and_the_others_stay(client: TaskClient, fleet: Fleet) -> None:
    third = worker(fleet.python, fleet.url, "w3@example", "-c", "1")
    async with third:
        await all_there(fleet.url, {W1, W2, "w3@example"})
        await client.control.shutdown(destination=["w3@example"])
        async with asyncio.timeout(DEADLINE):
            assert await third.wait() == 0
    assert (await client.control.ping(timeout=DEADLINE)).keys() == {W1, W2}
