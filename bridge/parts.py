"""What a client is put together from."""

import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bridge.event_receiver import EventReceiver
from bridge.hub import Hub
from bridge.ids import Ids
from bridge.mailbox import Mailbox
from bridge.protocol.events import Sender
from bridge.publisher import Identity, Publisher
from bridge.queues import Queues
from bridge.redis import Redis
from bridge.result_backend import ResultBackend
from bridge.result_waiter import ResultWaiter
from bridge.settings import BridgeSettings
from bridge.status_store import StatusStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that lives as long as a client."""

    sender: Sender
    reply_to: str
    new_id: Callable[[], str]
    publisher: Publisher
    store: StatusStore
    backend: ResultBackend
    results: ResultWaiter
    hub: Hub
    mailbox: Mailbox
    events: EventReceiver
    queues: Queues


@asynccontextmanager
async def open_parts(settings: BridgeSettings) -> AsyncIterator[Parts]:
    """Opens all of them; each connects when it is first used."""
    ids = Ids()
    identity = Identity(sender=_sender(), reply_to=ids.new(), clock=time.time, new_id=ids.new)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.redis_url, settings))
        results = await stack.enter_async_context(Redis.open(settings.result_backend_url, settings))
        backend = ResultBackend(results, settings)
        yield Parts(
            sender=identity.sender,
            reply_to=identity.reply_to,
            new_id=ids.new,
            publisher=await stack.enter_async_context(Publisher.open(redis, settings, identity)),
            store=await stack.enter_async_context(StatusStore.open(redis, settings)),
            backend=backend,
            results=await stack.enter_async_context(ResultWaiter.open(results, backend)),
            hub=await stack.enter_async_context(Hub.open(redis, settings)),
            mailbox=Mailbox(redis, ids.new),
            events=EventReceiver(redis),
            queues=Queues(redis, settings),
        )


def _sender() -> Sender:
    pid = os.getpid()
    return Sender(hostname=f"gen{pid}@{socket.gethostname()}", pid=pid, utc_offset=time.timezone / 3600)
