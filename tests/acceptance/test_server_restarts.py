"""Redis goes and comes back: nothing is lost, everybody is told, and service resumes by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from app.cli.processes.child import Child
from tests.acceptance.api import Api, Document, assert_complete
from tests.acceptance.installation import STOCK_APP, Installation
from tests.acceptance.site import Site
from tests.acceptance.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
AT_ONCE = 3.0
HUNG = 10.0
"""A server that accepts connections and never answers is given two tries of two seconds; a call may have to wait for
the one before it."""
COMES_BACK_WITHIN = 60.0
HANDED_ON_AFTER = "5"
"""Seconds after which a worker takes over what another one has not acknowledged."""
COMPLAINTS = ("Redis is not available", "Cannot connect to", "Cannot connect to")
"""What watcher and workers print while they cannot reach Redis."""
WATCHER_COMPLAINS = 20
"""Times, after which every part of a watcher has tried to reach Redis more than once."""
Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
CALLS: dict[str, Call] = {
    "submit": lambda http: http.post("/tasks/submit", json={"data": "x"}),
    "submit by name": lambda http: http.post("/v1/tasks", json={"task": "stock.add"}),
    "task": lambda http: http.get("/v1/tasks/some-id"),
    "result": lambda http: http.get("/v1/tasks/some-id/result"),
    "history": lambda http: http.get("/v1/tasks/some-id/history"),
    "events": lambda http: http.get("/v1/tasks/some-id/events"),
    "cancel": lambda http: http.post("/v1/tasks/some-id/cancel"),
    "queues": lambda http: http.get("/v1/queues"),
    "workers": lambda http: http.get("/v1/workers"),
}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_a_task_submitted_before_redis_was_restarted_runs_after_it(
    own: Installation, lifetimes: AsyncExitStack, ending: signal.Signals
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    task_ids = [await api.submit("stock.add", n, 1, queue="stock") for n in range(3)]
    held = await api.submit("stock.add", 3, 1, queue="stock", countdown=86_400)
    before = [await api.task(task_id) for task_id in task_ids]
    await _restart(own, ending)
    assert [_lasting(await _read(api, task_id)) for task_id in task_ids] == [_lasting(task) for task in before]
    assert (await api.task(held))["status"] == "scheduled"
    await lifetimes.enter_async_context(own.running(own.watcher(), own.worker("stock", app=STOCK_APP)))
    for n, task_id in enumerate(task_ids):
        updates = await api.follow(task_id)
        assert_complete(updates)
        assert updates[-1].content["result"] == n + 1


def _lasting(task: Document) -> Document:
    return {name: value for name, value in task.items() if name != "expires_at"}


async def _restart(installation: Installation, ending: signal.Signals) -> None:
    installation.server.send_signal(ending)
    await installation.server.wait()
    await _start_again(installation.server)


async def _start_again(server: Child) -> None:
    await server.kill()
    await server.start()
    await server.ready()


async def _read(api: Api, task_id: str) -> Document:
    """The task, as soon as the API has found its way back."""

    async def is_there() -> bool:
        return (await api.http.get(f"/v1/tasks/{task_id}")).status_code == httpx.codes.OK

    await until(is_there)
    return await api.task(task_id)


async def test_while_redis_is_down_every_call_is_told_at_once_and_service_resumes_by_itself_when_it_returns(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    roles = own.running(own.watcher(), own.worker("celery"), own.worker("stock", app=STOCK_APP))
    children = await lifetimes.enter_async_context(roles)
    waiting = await api.submit("stock.add", 1, 1, queue="nobody-listens")
    stream = await lifetimes.enter_async_context(api.stream(waiting))
    assert (await stream.next()).name == "submitted"

    await own.server.stop()
    for call in CALLS.values():
        await _assert_unavailable(api, call, AT_ONCE)
    await _assert_alive_but_not_ready(api)
    for child, complaint in zip(children, COMPLAINTS, strict=True):
        await until(own.prints(child.name, complaint, times=2))
    await until(own.prints(children[0].name, COMPLAINTS[0], times=WATCHER_COMPLAINS))

    await _start_again(own.server)
    await until(lambda: _is_ready(api), within=COMES_BACK_WITHIN)
    for queue, task, argument in (("stock", "stock.big", 3), ("celery", "workers.tasks.heavy_task", "again")):
        assert_complete(await api.follow(await api.submit(task, argument, queue=queue)))
    assert all(child.running for child in children)
    await api.cancel(waiting)
    assert [update.name for update in await stream.rest()] == ["cancelled"]


@pytest.mark.timeout(240)  # Kombu hands on what a worker left behind every tenth time of ten seconds
async def test_a_task_that_runs_while_redis_is_restarted_still_ends_and_its_result_is_kept(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    told = {"PETIOLE_FETCH_ALLOW_PRIVATE": "true", "PETIOLE_VISIBILITY_TIMEOUT": HANDED_ON_AFTER}
    roles = own.running(own.watcher(), own.worker("celery", **told))
    _, worker = await lifetimes.enter_async_context(roles)
    await lifetimes.enter_async_context(_started_again_when_it_ends(worker))
    async with Site.serve() as site:
        task_id = await api.submit("workers.tasks.fetch_url", site.url)
        await site.is_asked()
        await _restart(own, signal.SIGKILL)
        site.open.set()
        assert (await _read(api, task_id))["status"] in ("running", "succeeded")
        updates = await api.follow(task_id)
    assert_complete(updates)
    assert updates[-1].content["result"]["status"] == 200


@asynccontextmanager
async def _started_again_when_it_ends(child: Child) -> AsyncIterator[None]:
    """What a deployment does for its processes; a worker of Celery 5.7 may end when Redis is away under its task."""

    async def again() -> None:
        while True:
            await child.wait()
            await child.kill()
            await child.start()

    keeping = asyncio.create_task(again())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_a_redis_that_hangs_is_as_good_as_one_that_is_down(own: Installation, lifetimes: AsyncExitStack) -> None:
    api = await lifetimes.enter_async_context(own.api())
    await api.submit("stock.add", 1, 1)
    own.server.send_signal(signal.SIGSTOP)
    try:
        await asyncio.gather(*(_assert_unavailable(api, call, HUNG) for call in CALLS.values()))
        await _assert_alive_but_not_ready(api)
    finally:
        own.server.send_signal(signal.SIGCONT)
    await api.submit("stock.add", 1, 1)


async def _assert_unavailable(api: Api, call: Call, within: float) -> None:
    async with asyncio.timeout(within):
        answer = await call(api.http)
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "broker-unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def _assert_alive_but_not_ready(api: Api) -> None:
    async with asyncio.timeout(AT_ONCE):
        assert (await api.http.get("/healthz")).status_code == 200
        answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["type"], answer.json()["redis"]) == (503, "not-ready", "away")
    assert "Redis is not available" in answer.json()["detail"]


async def _is_ready(api: Api) -> bool:
    return (await api.http.get("/readyz")).status_code == httpx.codes.OK


async def test_without_a_watcher_the_service_says_that_it_is_not_ready_and_why(
    own: Installation, lifetimes: AsyncExitStack
) -> None:
    api = await lifetimes.enter_async_context(own.api())
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["redis"], answer.json()["watchers"]) == (503, "ok", 0)
    assert "petiole watcher" in answer.json()["detail"]
