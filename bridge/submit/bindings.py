"""The exchanges of an installation, as its workers have declared them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.bindings import Binding, Destination, other_layout, queue_for, read_bindings
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


class Bindings:
    """Finds the queue for an exchange and a routing key. `now` gives seconds that only grow."""

    def __init__(self, redis: Redis, now: Callable[[], float]) -> None:
        self._redis = redis
        self._names = broker_keys(redis)
        self._now = now
        self._found: dict[Destination, tuple[float, str | None]] = {}

    async def routed(self, options: Options) -> Options:
        """The same options with the queue that exchange and routing key lead to; as they are for a fanout exchange.

        A queue's own name is its routing key where there is no exchange, as in Celery.

        Raises:
            InvalidMessage: they contradict each other, or ask what a fanout exchange cannot do; and as `queue` does.
        """
        if options.exchange is None:
            return _unrouted(options)
        if options.queue is not None:
            raise InvalidMessage("/options/queue", "cannot be given together with exchange, which decides the queue")
        queue = await self.queue(Destination(exchange=options.exchange, routing_key=options.routing_key or ""))
        if queue is None:
            _check_broadcast(options)
            return options
        return replace(options, queue=queue, exchange=None, routing_key=None)

    async def queue(self, destination: Destination) -> str | None:
        """The queue that a task goes to; None for a fanout exchange, whose listeners have it in no queue.

        Raises:
            InvalidMessage: there is none, or there are several; or it is a fanout exchange that nobody listens to.
            UnreadableBytes: the bindings are not kept as Kombu keeps them.
            BrokerUnavailable: Redis does not answer.
        """
        now = self._now()
        at, queue = self._found.get(destination, (-FRESH_SECONDS, ""))
        if now - at < FRESH_SECONDS:
            return queue
        bindings = await self._bindings(destination)
        queue = None if bindings is None else queue_for(bindings, destination)
        if len(self._found) >= LIMIT:
            self._found.clear()
        self._found[destination] = now, queue
        return queue

    async def _bindings(self, destination: Destination) -> Sequence[Binding] | None:
        """None for a fanout exchange."""
        exchange = destination.exchange
        key = self._names.bindings(exchange)
        kind, listeners = await asyncio.gather(
            self._redis.execute("TYPE", key),
            # Kombu passes over an empty message, and the server says how many have heard it: they make it a fanout.
            self._redis.execute("PUBLISH", self._names.fanout_channel(exchange, destination.routing_key), ""),
        )
        if listeners:
            return None
        if kind not in (b"set", b"none"):
            raise UnreadableBytes(other_layout(key, kind.decode(), _A_GUESS))
        return read_bindings(key, await self._redis.execute("SMEMBERS", key), self._names.separator)


def _check_broadcast(options: Options) -> None:
    why = f"{options.exchange!r} is a fanout exchange: every worker that listens now has the task, and no queue"
    if options.record:
        raise InvalidMessage("/options/exchange", f"{why}, so it cannot be recorded as queued; add record=False")
    if options.idempotency_key is not None:
        raise InvalidMessage("/options/idempotency_key", f"cannot be kept, since {why}")


def _unrouted(options: Options) -> Options:
    if options.routing_key is None:
        return options
    if options.queue is None:
        raise InvalidMessage("/options/routing_key", "needs an exchange; to name a queue, give queue")
    if options.routing_key != options.queue:
        raise InvalidMessage(
            "/options/routing_key",
            f"does not lead to the queue {options.queue!r}, whose key is its name: leave it out, or give the exchange "
            "in the place of the queue",
        )
    return replace(options, routing_key=None)
