"""Whatever is submitted, no worker is harmed, and every task that was accepted has an outcome."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bridge import SubmitOptions, TaskClient
from bridge.errors import DuplicateTask, InvalidMessage, TaskCancelled, TaskEnded, TaskFailed
from bridge.protocol.control import queues_of
from bridge.protocol.keys import BrokerKeys
from bridge.redis import Redis
from tests.contract.anything import EVERYBODY, OPTIONS, Call, calls
from tests.contract.versions.installation import Installation, loses_events, until

pytestmark = pytest.mark.timeout(3600)
CASES, MANY_CASES = 500, 2_000
"""For each pool; the second with ``--all``."""
DEADLINE = 60
A_WHILE = timedelta(minutes=1)
RETRYING = ("golden.retries", "golden.gives_up")
PLACES = ("/task", "/args", "/kwargs", "/options/")
DISTRESS = ("CRITICAL", "Connection to broker lost", "Unrecoverable error", "Refusing to deserialize")


@dataclass
class Fuzzer:
    """Submits to one queue, and remembers what was accepted."""

    client: TaskClient
    queue: str
    refused: list[str] = field(default_factory=list)
    accepted: dict[str, Call] = field(default_factory=dict)

    async def submit(self, call: Call) -> None:
        """Submit, and cancel what no worker would take up soon."""
        route = {} if {"exchange", "routing_key"} & call.options.keys() else {"queue": self.queue}
        options: dict[str, Any] = {**route, **call.options}
        try:
            handle = await self.client.submit(call.task, call.args, call.kwargs, **options)
        except InvalidMessage as error:
            self.refused.append(error.pointer)
        except DuplicateTask:
            self.refused.append("/options/task_id")
        else:
            self.accepted[handle.task_id] = call
            if options.get("exchange") != EVERYBODY and (options.get("queue") != self.queue or _waits(options)):
                with contextlib.suppress(TaskEnded):
                    await handle.cancel()

    async def has_outcome(self, task_id: str) -> None:
        """Wait until the backend says so or, for a task that forgets its result, the watcher."""
        told = [asyncio.create_task(self._result(task_id))]
        if self.accepted[task_id].options.get("record") is not False:
            told.append(asyncio.create_task(self._ended(task_id)))
        done, waiting = await asyncio.wait(told, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert done, f"{self.accepted[task_id]} was accepted as {task_id} and has no outcome"
        await asyncio.gather(*done)

    async def _result(self, task_id: str) -> None:
        with contextlib.suppress(TaskFailed, TaskCancelled):
            await self.client.result(task_id)

    async def _ended(self, task_id: str) -> None:
        async for _update in self.client.follow(task_id):
            pass


def _waits(options: dict[str, Any]) -> bool:
    eta, countdown = options.get("eta"), options.get("countdown")
    return bool((eta and eta > datetime.now(UTC) + A_WHILE) or (countdown and countdown > A_WHILE.total_seconds()))


def _is_told(call: Call, version: str, pool: str) -> bool:
    """Whether anybody can know of its end: a task that forgets its result is known by its events alone.

    Where threads get into each other's way, RETRY may also be stored over what has become of the next attempt. And a
    process of a pool takes a fanout exchange for a direct one, so that what it retries reaches nobody.
    """
    if call.task in RETRYING and (_is_broadcast(call) or loses_events(version, pool)):
        return False
    forgets = call.task == "golden.forgets" or call.options.get("ignore_result")
    return not forgets or (call.options.get("record") is not False and not loses_events(version, pool))


def _is_broadcast(call: Call) -> bool:
    return bool(call.options.get("exchange") == EVERYBODY)


def test_every_option_of_submit_is_tried() -> None:
    not_of_the_message = {"idempotency_key"}
    assert SubmitOptions.__annotations__.keys() - not_of_the_message == OPTIONS.keys()


async def test_whatever_is_submitted_the_worker_lives_and_every_accepted_task_has_an_outcome(
    client: TaskClient, installation: Installation, version: str, pool: str, everything: bool
) -> None:
    fuzzer, loop = Fuzzer(client, pool), asyncio.get_running_loop()
    await _listens_to_everybody(client, pool)

    @settings(
        max_examples=MANY_CASES if everything else CASES,
        derandomize=not everything,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(call=calls)
    def throw(call: Call) -> None:
        asyncio.run_coroutine_threadsafe(fuzzer.submit(call), loop).result()

    await asyncio.to_thread(throw)
    for task_id, call in fuzzer.accepted.items():
        if _is_told(call, version, pool):
            await fuzzer.has_outcome(task_id)
    assert [place for place in fuzzer.refused if not place.startswith(PLACES)] == []
    assert len(fuzzer.refused) > CASES // 10
    assert len(fuzzer.accepted) > CASES // 10
    assert len([call for call in fuzzer.accepted.values() if _is_broadcast(call)]) > CASES // 100
    await _is_well(client, installation, pool)


async def _listens_to_everybody(client: TaskClient, pool: str) -> None:
    worker, queue = f"{pool}@example", f"bcast.{pool}"
    await client.control.add_consumer(queue, EVERYBODY, "fanout", "#", destination=[worker], reply=True)
    async with asyncio.timeout(DEADLINE):
        told = False
        while not told:
            replies = await client.control.active_queues(destination=[worker])
            told = queue in (queues_of(replies.get(worker)) or ())


async def _is_well(client: TaskClient, installation: Installation, pool: str) -> None:
    """The worker still works, holds nothing, and has not been in distress."""
    handle = await client.submit("golden.echo", ["still there"], queue=pool)
    assert await handle.result(DEADLINE) == [["still there"], {}]
    async with Redis.open(installation.url, client.settings) as redis:
        await until(lambda: redis.execute("HLEN", "unacked"), lambda held: held == 0)
        assert await redis.execute("EXISTS", *BrokerKeys().lists(pool)) == 0
    log = installation.log.with_name(pool).read_text()
    assert not [line for line in log.splitlines() if any(word in line for word in DISTRESS)]
