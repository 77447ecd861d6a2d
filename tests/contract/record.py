"""Records what a stock worker publishes and stores: ``python -m tests.contract.record [VERSION …]``.

Writes one file for each story below into tests/contract/golden: a line for each message, in the order of their arrival,
as ``{"channel", "data"}``. Only what names this machine or one run of it is replaced: ids, host names, paths.

Without a version it is the installed Celery that is recorded. A version, such as 5.3, is recorded in the environment
that the contract tests make for it, worker and producer both, into a folder of its name.
"""

import asyncio
import json
import re
import socket
import sys
import tempfile
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.cli.ports import free_port
from app.cli.stack.embedded import server_url
from bridge.protocol.events import read_events
from bridge.protocol.result import read_meta
from bridge.redis import Published, Redis
from bridge.settings import BridgeSettings
from tests.contract.beside import Beside, celery_beside
from tests.contract.workers_environment import celery_python, worker
from tests.servers import ROOT, redis_server

GOLDEN = Path(__file__).with_name("golden")
DEADLINE = 30
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HOST = re.compile(rf"@{re.escape(socket.gethostname())}\b")
PREFIXES = sorted({str(ROOT), sys.prefix, sys.base_prefix, str(Path.home())}, key=len, reverse=True)
ENVIRONMENT = re.compile(r"/app/\.petiole/environments/[^/]+")
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Story:
    """A task that is sent by `send`, and the events and states that end its story, each as often as it is named."""

    send: Callable[[Beside, str], object]
    awaits: Sequence[str] = ("task-succeeded", "SUCCESS")


def _task(name: str, *awaits: str, **options: Any) -> Story:
    send = partial(_send, f"golden.{name}", options)
    return Story(send=send, awaits=awaits) if awaits else Story(send=send)


def _send(name: str, options: dict[str, Any], celery: Beside, task_id: str) -> None:
    celery.says("send", name=name, task_id=task_id, **options)


def _revoke_and_send(celery: Beside, task_id: str) -> None:
    celery.says("control", method="revoke", arguments=[task_id])
    celery.says("send", name="golden.echo", task_id=task_id)


STORIES = {
    "succeeds": _task("echo", args=[1, "é"], kwargs={"a": None}),
    "returns_odd_numbers": _task("odd"),
    "returns_much": _task("large"),
    "fails": _task("fails", "task-failed", "FAILURE"),
    "is_not_registered": _task("nowhere", "task-failed", "FAILURE"),
    "retries_at_once": _task("retries", *("task-retried", "RETRY") * 2, "task-succeeded", "SUCCESS"),
    "retries_later": _task("retries_later", "task-retried", "RETRY", "task-succeeded", "SUCCESS"),
    "gives_up": _task("gives_up", "task-retried", "RETRY", "task-failed", "FAILURE"),
    "reports": _task("reports"),
    "sends_progress": _task("sends_progress"),
    "ignores_its_result": _task("echo", "task-succeeded", ignore_result=True),
    "is_rejected": _task("rejects", "task-rejected"),
    "waits": _task("echo", eta=1),
    "expires": _task("echo", "task-revoked", "REVOKED", expires=PAST.isoformat()),
    "is_revoked": Story(send=_revoke_and_send, awaits=("task-revoked", "REVOKED")),
    "is_terminated": _task("naps", "task-revoked", "REVOKED", args=[60]),
}


class Recording:
    """Everything that was published, and where one task's part of it ends."""

    def __init__(self) -> None:
        self.messages: list[Published] = []
        self._news = asyncio.Event()

    async def listen(self, redis: Redis, pattern: str, begun: asyncio.Event) -> None:
        async with aclosing(redis.listen(pattern)) as messages:
            async for message in messages:
                if message.begins:
                    begun.set()
                    continue
                self.messages.append(message)
                self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def said(self, task_id: str) -> Counter[str]:
        """Types of a task's events and states of its metas, and how often they came."""
        return Counter(kind for message in self.messages for owner, kind in _told(message) if owner == task_id)


def _told(message: Published) -> Iterator[tuple[str, str]]:
    """Which tasks a message is about, and what it says of them."""
    if message.channel.startswith("celery-task-meta-"):
        meta = read_meta(message.data)
        yield meta.task_id, meta.state
    else:
        for event in read_events(message.data):
            yield event.get("uuid", ""), event["type"]


@asynccontextmanager
async def recording(redis: Redis) -> AsyncIterator[Recording]:
    """Records for as long as the block runs."""
    made = Recording()
    patterns = ("/0.celeryev/*", "celery-task-meta-*")
    begun = [asyncio.Event() for _ in patterns]
    async with asyncio.TaskGroup() as group:
        listeners = [
            group.create_task(made.listen(redis, pattern, begins))
            for pattern, begins in zip(patterns, begun, strict=True)
        ]
        for begins in begun:
            await begins.wait()
        yield made
        for listener in listeners:
            listener.cancel()


async def _play(story: Story, celery: Beside, made: Recording) -> list[Published]:
    task_id = str(uuid4())
    await asyncio.to_thread(story.send, celery, task_id)
    if story is STORIES["is_terminated"]:
        await made.until(lambda: "task-started" in made.said(task_id))
        await celery.call("control", method="revoke", arguments=[task_id], terminate=True)
    await made.until(lambda: made.said(task_id) >= Counter(story.awaits))
    return [message for message in made.messages if any(owner == task_id for owner, _ in _told(message))]


def clean(text: str, ids: dict[str, str]) -> str:
    """The text without what names this machine, and with `ids` in the place of those that were drawn."""
    for prefix in PREFIXES:
        text = text.replace(prefix, "/app")
    text = HOST.sub("@example", ENVIRONMENT.sub("/app", text))
    return UUID.sub(lambda found: ids.setdefault(found[0], f"{len(ids) + 1:08}-0000-4000-8000-{0:012}"), text)


def _line(message: Published, ids: dict[str, str]) -> str:
    data = message.data.decode()
    if ".celeryev/" in message.channel:
        envelope = json.loads(data)
        envelope["body"] = b64encode(clean(b64decode(envelope["body"]).decode(), ids).encode()).decode()
        data = json.dumps(envelope)
    return json.dumps({"channel": clean(message.channel, ids), "data": clean(data, ids)})


def _write(path: Path, messages: list[Published]) -> None:
    ids: dict[str, str] = {}
    lines = [_line(message, ids) for message in messages]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


async def record(python: Path, folder: Path, directory: Path) -> None:
    """Run a worker on a server of its own, play each story, and write it down."""
    port = free_port()
    url = server_url(port)
    settings = BridgeSettings.load(redis_url=url)
    alone = ("-E", "-c", "2", "--without-gossip", "--without-mingle")
    async with redis_server(port, directory), Redis.open(url, settings) as redis, recording(redis) as made:
        with celery_beside(python, url) as celery:
            async with worker(python, url, "w1@example", *alone):
                await made.until(lambda: any(".celeryev/worker.online" in message.channel for message in made.messages))
                for name, story in STORIES.items():
                    _write(folder / f"{name}.jsonl", await _play(story, celery, made))
        await made.until(lambda: any(".celeryev/worker.offline" in message.channel for message in made.messages))
        about_itself = [message for message in made.messages if ".celeryev/worker" in message.channel]
        _write(folder / "worker.jsonl", about_itself)


def main(versions: Sequence[str]) -> None:
    """Record each of the versions, or the installed one."""
    wanted = [(celery_python(version), GOLDEN / version) for version in versions] or [(Path(sys.executable), GOLDEN)]
    for python, folder in wanted:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(record(python, folder, Path(temporary)))


if __name__ == "__main__":
    main(sys.argv[1:])
