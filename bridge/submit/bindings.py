"""The exchanges of an installation, as its workers have declared them."""

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.errors import InvalidMessage
from bridge.exchanges import Exchanges
from bridge.protocol.bindings import Destination, check_heard, destination_of, queue_for
from bridge.protocol.canvas.routing import BY_EXCHANGE, destinations, routed
from bridge.redis import Redis
from bridge.submit.options import Options

FRESH_SECONDS = 1.0
"""How long what was found is believed. A queue that is bound meanwhile is found after that."""
LIMIT = 1_000
"""Destinations that are remembered; beyond it all are looked up anew."""
_A_GUESS = (
    "What its members mean would be a guess, and a wrong one sends tasks where no worker looks. "
    "Submit to a queue by its name, which needs no bindings."
)
CALLBACKS = frozenset(("link", "link_error", "chord"))
ROUTED = CALLBACKS | frozenset(BY_EXCHANGE)
"""Options that may name an exchange."""


class Bindings:
    """Finds the queue for an exchange and a routing key. `now` gives seconds that only grow."""

    def __init__(self, redis: Redis, now: Callable[[], float]) -> None:
        self._exchanges = Exchanges(redis)
        self._now = now
        self._found: dict[Destination, tuple[float, str | None]] = {}

    async def routed(self, options: Options) -> Options:
        """The same options with the queues that exchanges and routing keys lead to, also those of callbacks.

        They are as they are for a fanout exchange. A queue's own name is its routing key where there is no exchange, as
        in Celery.

        Raises:
            InvalidMessage: they contradict each other, or ask what a fanout exchange cannot do; and as `queue` does.
        """
        given = vars(options)
        changes = {name: await self._callbacks(given[name], f"/options/{name}") for name in CALLBACKS & given.keys()}
        destination = destination_of(given)
        queue = await self.queue(destination) if destination else options.queue
        if queue is None and destination:
            _check_broadcast(options)
        else:
            changes |= {"queue": queue, "exchange": None, "routing_key": None}
        return options.changed(**changes)

    async def _callbacks(self, given: Any, pointer: str) -> Any:
        if isinstance(given, list | tuple):
            return [await self.routed_canvas(one, f"{pointer}/{index}") for index, one in enumerate(given)]
        return await self.routed_canvas(given, pointer)

    async def routed_canvas(self, canvas: Any, pointer: str = "") -> Any:
        """The same canvas with the queues that exchanges and routing keys lead to.

        Raises:
            InvalidMessage: as `routed` does, and for a fanout exchange: what leads to a place, below `pointer`.
            UnreadableBytes, BrokerUnavailable: as `queue` does.
        """
        named = list(destinations(canvas, pointer))
        queues: dict[Destination, str] = {}
        for place, destination in named:
            try:
                if destination and destination not in queues:
                    queues[destination] = await self._queue_of_a_part(destination)
            except InvalidMessage as error:
                raise InvalidMessage(f"{place}{error.pointer}", error.reason) from error
        return routed(canvas, queues) if named else canvas

    async def _queue_of_a_part(self, destination: Destination) -> str:
        queue = await self.queue(destination)
        if queue is None:
            raise InvalidMessage(
                "/options/exchange",
                f"{destination.exchange!r} is a fanout exchange: every worker that listens would run this part of a "
                "workflow, which waits for it once. Name a queue, or an exchange that leads to one",
            )
        return queue

    async def queue(self, destination: Destination) -> str | None:
        """The queue that a task goes to; None for a fanout exchange, whose listeners have it in no queue.

        Raises:
            InvalidMessage: there is none, or there are several; or it is a fanout exchange that nobody listens to, or
                that is no place for tasks.
            UnreadableBytes: the bindings are not kept as Kombu keeps them.
            BrokerUnavailable: Redis does not answer.
        """
        now = self._now()
        at, queue = self._found.get(destination, (-FRESH_SECONDS, ""))
        if now - at < FRESH_SECONDS:
            return queue
        queue = await self._look_up(destination)
        if len(self._found) >= LIMIT:
            self._found.clear()
        self._found[destination] = now, queue
        return queue

    async def _look_up(self, destination: Destination) -> str | None:
        bindings, listeners = await asyncio.gather(
            self._exchanges.bindings(destination.exchange, _A_GUESS),
            self._exchanges.listeners(destination.exchange, destination.routing_key),
        )
        if not listeners:
            return queue_for(bindings, destination)
        check_heard(bindings, destination)
        return None


def _check_broadcast(options: Options) -> None:
    why = f"{options.exchange!r} is a fanout exchange: every worker that listens now has the task, and no queue"
    if options.record:
        raise InvalidMessage("/options/exchange", f"{why}, so it cannot be recorded as queued; add record=False")
    if options.idempotency_key is not None:
        raise InvalidMessage("/options/idempotency_key", f"cannot be kept, since {why}")
