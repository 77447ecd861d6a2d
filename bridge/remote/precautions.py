"""What is looked up before an order that some workers would not survive: they do whatever they are told."""

import asyncio

from bridge.errors import InvalidMessage
from bridge.exchanges import Exchanges
from bridge.naming import broker_keys, check_queue
from bridge.protocol.bindings import check_kind
from bridge.protocol.commands import Command
from bridge.protocol.control import ACTIVE_QUEUES, STATS, Audience, hears_by, processes_of
from bridge.remote.mailbox import Mailbox, Wait

LISTENED_FOR = 100
"""Routing keys of one exchange that are asked for listeners at the most."""
_EXITS = "A worker that is to bind a queue to it exits, and nothing was sent."


class Precautions:
    """Checks an order against what Redis and the workers tell. What changes between that and the order is not seen.

    Every method raises `InvalidMessage`, naming the bad argument, for an order that would end or paralyse a worker,
    and `BrokerUnavailable` when Redis does not answer.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._redis = mailbox.redis
        self._names = broker_keys(self._redis)
        self._exchanges = Exchanges(self._redis)

    def __repr__(self) -> str:
        return f"<Precautions {self._mailbox!r}>"

    async def consuming(self, command: Command) -> None:
        """Before ``add_consumer``: the queue is a queue, and the exchange has no other type than the one given.

        Raises:
            UnreadableBytes: Redis has something else where Kombu keeps the bindings of the exchange.
        """
        queue, exchange = command.arguments["queue"], command.arguments["exchange"]
        check_queue(self._redis, queue, "/queue")
        kinds = await asyncio.gather(*(self._redis.execute("TYPE", key) for key in self._names.lists(queue)))
        if not {*kinds} <= {b"list", b"none"}:
            raise InvalidMessage("/queue", f"{queue!r} is a key of another kind in Redis")
        await self._check_kind(exchange or queue, command.arguments["exchange_type"])

    async def _check_kind(self, exchange: str, kind: str) -> None:
        bindings = await self._exchanges.bindings(exchange, _EXITS)
        keys = {"", *(binding.routing_key.replace("#", "*") for binding in bindings if not binding.pattern)}
        heard = await asyncio.gather(*(self._exchanges.listeners(exchange, key) for key in sorted(keys)[:LISTENED_FOR]))
        check_kind(bindings, exchange, kind, is_heard=any(heard))

    async def cancelling(self, queue: str, audience: Audience, wait: Wait) -> None:
        """Before ``cancel_consumer``: no worker that replies in time hears a fanout exchange by this queue.

        Kombu stops listening in a way that Redis does not understand, and forgets the exchange: the worker exits with
        the next task that is sent to it.
        """
        for worker, reply in (await self._mailbox.call(ACTIVE_QUEUES, audience, wait)).items():
            if exchange := hears_by(reply, queue):
                raise InvalidMessage(
                    "/queue",
                    f"{worker} hears the fanout exchange {exchange!r} by {queue!r}; told to stop, it would exit with "
                    "the next task that is sent there",
                )

    async def shrinking(self, n: int, audience: Audience, wait: Wait) -> None:
        """Before ``pool_shrink``: every worker that replies in time keeps a process, without which it takes tasks and
        runs none."""
        for worker, reply in (await self._mailbox.call(STATS, audience, wait)).items():
            processes = processes_of(reply)
            if processes is not None and processes <= n:
                raise InvalidMessage(
                    "/n",
                    f"would leave {worker}, whose pool is of {processes}, nothing to run tasks with. To have it take "
                    "no tasks, cancel its queues",
                )
