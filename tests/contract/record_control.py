"""Records what is commanded and what workers reply: ``python -m tests.contract.record_control [VERSION …]``.

Writes control/calls.jsonl into tests/contract/golden: a line for each call, as ``{"call", "command", "reply"}``. The
command is Celery's, made comparable; the reply is a stock worker's to the letter, but for the id of the call. What a
worker tells of this machine is left out.

Versions are as for tests/contract/record.py: without one it is the installed Celery that is recorded, and each other
into a folder of its name.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

from app.cli.ports import free_port
from app.cli.stack.embedded import server_url
from bridge.protocol.control import BINDINGS, REPLY_EXCHANGE
from bridge.protocol.envelope import open_json
from bridge.protocol.keys import SEPARATOR
from bridge.redis import Published, Redis
from bridge.settings import BridgeSettings
from tests.contract.beside import Beside, celery_beside
from tests.contract.workers_environment import all_there, celery_python, worker
from tests.control_calls import CALLS, comparable
from tests.recorded import TICKET, control_file
from tests.servers import redis_server

DEADLINE = 30
W1 = "w1@example"
CHANNEL = "/0.celery.pidbox"
NOTHING = b""
"""A message that Kombu passes over."""
OF_THIS_MACHINE = ("stats", "report", "conf", "conf with defaults", "memsample")


async def _line(redis: Redis, celery: Beside, name: str, messages: AsyncIterator[Published]) -> str:
    """Let Celery make the call, then send the same command again, to have the worker's reply as it comes."""
    await _pass_over_what_was_said(redis, messages)
    await celery.call("replied", name=name, timeout=DEADLINE, limit=1)
    command = (await anext(messages)).data
    reply = None
    if name not in OF_THIS_MACHINE:
        reply = await _reply(redis, command)
    return json.dumps({"call": name, "command": comparable(command), "reply": reply})


async def _pass_over_what_was_said(redis: Redis, messages: AsyncIterator[Published]) -> None:
    """Our own sending again, and what a worker of 5.3 or 5.4 commands others, which was told to revoke by stamps."""
    await redis.execute("PUBLISH", CHANNEL, NOTHING)
    while (await anext(messages)).data != NOTHING:
        pass


async def _reply(redis: Redis, command: bytes) -> str:
    body = open_json(command)
    oid, ticket = body["reply_to"]["routing_key"], body["ticket"]
    queue = f"{oid}.{REPLY_EXCHANGE}"
    async with redis.popping(queue) as pop:
        await redis.execute("SADD", BINDINGS, f"{oid}{SEPARATOR}{SEPARATOR}{queue}")
        await redis.execute("PUBLISH", CHANNEL, command)
        data = await pop(DEADLINE)
    assert data is not None
    return data.decode().replace(ticket, TICKET)


async def record(python: Path, directory: Path) -> list[str]:
    """Run a worker on a server of its own, and make each call; a line for each."""
    port = free_port()
    url = server_url(port)
    async with (
        redis_server(port, directory),
        Redis.open(url, BridgeSettings.load(redis_url=url)) as redis,
        worker(python, url, W1, "-E", "-c", "2", "--without-gossip", "--without-mingle"),
        asyncio.timeout(10 * DEADLINE),
    ):
        await all_there(url, {W1})
        async with aclosing(redis.listen(CHANNEL)) as messages:
            assert (await anext(messages)).begins
            with celery_beside(python, url) as celery:
                return [await _line(redis, celery, name, messages) for name in CALLS]


def main(versions: Sequence[str]) -> None:
    """Record each of the versions, or the installed one."""
    wanted = [(celery_python(version), version) for version in versions] or [(Path(sys.executable), "")]
    for python, version in wanted:
        with tempfile.TemporaryDirectory() as temporary:
            lines = asyncio.run(record(python, Path(temporary)))
        file = control_file(version)
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
