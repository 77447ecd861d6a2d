"""Records what Celery commands and what a stock worker replies: ``python -m tests.contract.record_control``.

Writes tests/contract/golden/control/calls.jsonl: a line for each call, as ``{"call", "command", "reply"}``. The command
is Celery's, made comparable; the reply is the worker's to the letter, but for the id of the call. What a worker tells
of this machine is left out.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from app.cli.ports import free_port
from app.cli.stack.embedded import server_url
from bridge.protocol.control import BINDINGS, REPLY_EXCHANGE
from bridge.protocol.envelope import open_json
from bridge.protocol.keys import SEPARATOR
from bridge.redis import Published, Redis
from bridge.settings import BridgeSettings
from tests.contract.celery_control import replied
from tests.contract.celery_tasks import app
from tests.control_calls import CALLS, comparable
from tests.recorded import CONTROL, TICKET
from tests.servers import celery_worker, redis_server

DEADLINE = 30
OF_THIS_MACHINE = ("stats", "report", "conf", "conf with defaults", "memsample")


async def _line(redis: Redis, name: str, messages: AsyncIterator[Published]) -> str:
    """Let Celery make the call, then send the same command again, to have the worker's reply as it comes."""
    await asyncio.to_thread(replied, app, name, timeout=DEADLINE, limit=1)
    command = (await anext(messages)).data
    reply = None
    if name not in OF_THIS_MACHINE:
        reply = await _reply(redis, command)
        await anext(messages)
    return json.dumps({"call": name, "command": comparable(command), "reply": reply})


async def _reply(redis: Redis, command: bytes) -> str:
    body = open_json(command)
    oid, ticket = body["reply_to"]["routing_key"], body["ticket"]
    queue = f"{oid}.{REPLY_EXCHANGE}"
    async with redis.popping(queue) as pop:
        await redis.execute("SADD", BINDINGS, f"{oid}{SEPARATOR}{SEPARATOR}{queue}")
        await redis.execute("PUBLISH", "/0.celery.pidbox", command)
        data = await pop(DEADLINE)
    assert data is not None
    return data.decode().replace(ticket, TICKET)


async def record(directory: Path) -> None:
    """Run a worker on a server of its own, and make each call."""
    port = free_port()
    url = server_url(port)
    app.conf.update(broker_url=url, result_backend=url)
    async with (
        redis_server(port, directory),
        Redis.open(url, BridgeSettings.load(redis_url=url)) as redis,
        celery_worker(url, directory / "worker.log"),
        asyncio.timeout(10 * DEADLINE),
    ):
        await asyncio.to_thread(app.send_task("golden.echo").get, timeout=DEADLINE)
        async with aclosing(redis.listen("/0.celery.pidbox")) as messages:
            assert (await anext(messages)).begins
            lines = [await _line(redis, name, messages) for name in CALLS]
    CONTROL.parent.mkdir(exist_ok=True)
    CONTROL.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(record(Path(temporary)))
