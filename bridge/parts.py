"""What a client is put together from."""

import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Self

from bridge.follow.feed import Feed
from bridge.follow.hub import Hub
from bridge.ids import Ids
from bridge.protocol.events import Sender
from bridge.records.status_store import StatusStore
from bridge.records.task_list import TaskList
from bridge.redis import Redis
from bridge.remote.event_receiver import EventReceiver
from bridge.remote.mailbox import Mailbox
from bridge.remote.queue_control import QueueControl
from bridge.remote.queues import Queues
from bridge.remote.task_types import TaskTypes
from bridge.remote.withdrawn import Withdrawn
from bridge.results.backend import ResultBackend
from bridge.results.waiter import ResultWaiter
from bridge.settings import BridgeSettings
from bridge.submit.acceptance import Identity
from bridge.submit.bindings import Bindings
from bridge.submit.claims import Claims
from bridge.submit.publisher import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that lives as long as a client."""

    sender: Sender
    reply_to: str
    new_id: Callable[[], str]
    bindings: Bindings
    publisher: Publisher
    claims: Claims
    store: StatusStore
    backend: ResultBackend
    results: ResultWaiter
    hub: Hub
    feed: Feed
    tasks: TaskList
    mailbox: Mailbox
    events: EventReceiver
    queues: Queues
    queue_control: QueueControl
    withdrawn: Withdrawn
    task_types: TaskTypes
    owner: str = ""

    def of(self, owner: str) -> Self:
        """The same parts, for which tasks of other owners do not exist. ``""`` is for all of them."""
        return replace(
            self,
            owner=owner,
            claims=self.claims.of(owner),
            store=self.store.of(owner),
            feed=self.feed.of(owner),
            tasks=self.tasks.of(owner),
        )


@asynccontextmanager
async def open_parts(settings: BridgeSettings) -> AsyncIterator[Parts]:
    """Opens all of them; each connects when it is first used."""
    ids = Ids()
    identity = Identity(sender=_sender(), reply_to=ids.new(), clock=time.time, new_id=ids.new)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.open(settings.broker, settings))
        results = await stack.enter_async_context(Redis.open(settings.backend, settings))
        backend = ResultBackend(results, settings)
        store = await stack.enter_async_context(StatusStore.open(redis, settings))
        hub = await stack.enter_async_context(Hub.open(redis, settings))
        mailbox = Mailbox(redis, ids.new)
        yield Parts(
            sender=identity.sender,
            reply_to=identity.reply_to,
            new_id=ids.new,
            bindings=Bindings(redis, time.monotonic),
            publisher=await stack.enter_async_context(Publisher.open(redis, settings, identity)),
            claims=Claims(redis, settings),
            store=store,
            backend=backend,
            results=await stack.enter_async_context(ResultWaiter.open(results, backend)),
            hub=hub,
            feed=Feed(redis, hub, settings.prefix),
            tasks=TaskList(redis, store, settings.prefix),
            mailbox=mailbox,
            events=EventReceiver(redis),
            queues=Queues(redis, settings),
            queue_control=QueueControl(redis, store, backend, mailbox),
            withdrawn=Withdrawn(redis, backend),
            task_types=TaskTypes(redis, settings, time.monotonic),
        )


def _sender() -> Sender:
    pid = os.getpid()
    return Sender(hostname=f"gen{pid}@{socket.gethostname()}", pid=pid, utc_offset=time.timezone / 3600)
