"""Workers that hear remote control, as Kombu's pidbox has them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from bridge.protocol.control import BINDINGS
from bridge.protocol.envelope import open_json
from bridge.protocol.keys import SEPARATOR
from bridge.redis import Redis
from tests.celery_says import envelope

CHANNEL = "/0.celery.pidbox"
Body = dict[str, Any]
PONG = {"ok": "pong"}


def pong(_body: Body) -> object:
    return PONG


class Panel:
    """One worker's remote control. It replies what `answer` gives; without that, only when it is told to."""

    def __init__(self, redis: Redis, name: str, answer: Callable[[Body], object] | None = pong) -> None:
        self._redis = redis
        self.name = name
        self._answer = answer
        self.commands: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(self, begun: asyncio.Event) -> None:
        """Hear commands for ever."""
        async with aclosing(self._redis.listen(CHANNEL)) as messages:
            async for message in messages:
                if message.begins:
                    begun.set()
                else:
                    await self._heard(message.data)

    async def _heard(self, data: bytes) -> None:
        body = open_json(data)
        if self._answer and self.name in (body["destination"] or [self.name]) and "ticket" in body:
            await self.replies(body, {self.name: self._answer(body)})
        await self.commands.put(data)

    async def replies(self, body: Body, reply: object, **changes: Any) -> None:
        """Push a reply to every list that is bound to the call's address, as Kombu's direct exchange does."""
        headers = {"ticket": body["ticket"], "clock": 2}
        await self.pushes(body, envelope(reply, **{"headers": headers, **changes}))

    async def pushes(self, body: Body, data: bytes) -> None:
        for queue in await self.queues_of(body):
            await self._redis.execute("LPUSH", queue, data)

    async def queues_of(self, body: Body) -> list[str]:
        """The lists that a reply goes to."""
        members = [member.decode().split(SEPARATOR) for member in await self._redis.execute("SMEMBERS", BINDINGS)]
        return [queue for key, _, queue in members if key == body["reply_to"]["routing_key"]]

    async def hears(self) -> Body:
        """The next command."""
        async with asyncio.timeout(10):
            return dict(open_json(await self.commands.get()))


@asynccontextmanager
async def serving(*panels: Panel) -> AsyncIterator[None]:
    """The workers hear commands for as long as the block runs."""
    begun = [asyncio.Event() for _ in panels]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(panel.serve(begins)) for panel, begins in zip(panels, begun, strict=True)]
        for begins in begun:
            await begins.wait()
        yield
        for task in tasks:
            task.cancel()


async def waiting_reads(redis: Redis) -> int:
    """How many connections wait at a list; one that did so last, and has nothing to do now, is not blocked."""
    clients: bytes = await redis.execute("CLIENT", "LIST")
    return sum(b"cmd=brpop" in client and b"flags=b " in client for client in clients.splitlines())


async def as_many(redis: Redis, reads: int) -> bool:
    return await waiting_reads(redis) == reads
