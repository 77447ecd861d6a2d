"""What Redis tells of an exchange: the queues that are bound to it, and whether somebody listens to it now."""

from bridge.errors import UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.bindings import Binding, other_layout, read_bindings
from bridge.redis import Redis


class Exchanges:
    """The exchanges of a broker. Every method raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._names = broker_keys(redis)

    def __repr__(self) -> str:
        return f"<Exchanges {self._redis!r}>"

    async def bindings(self, exchange: str, so: str) -> tuple[Binding, ...]:
        """The queues that are bound to it, also by workers that have gone; none when nobody has declared one.

        Raises:
            UnreadableBytes: they are not kept as Kombu keeps them; `so` says what follows.
        """
        key = self._names.bindings(exchange)
        kind = await self._redis.execute("TYPE", key)
        if kind not in (b"set", b"none"):
            raise UnreadableBytes(other_layout(key, kind.decode(), so))
        return read_bindings(key, await self._redis.execute("SMEMBERS", key), self._names.separator)

    async def listeners(self, exchange: str, routing_key: str) -> int:
        """How many listen now for what is sent with this routing key: any at all make it a fanout exchange.

        Kombu passes over the empty message that is published to ask.
        """
        return int(await self._redis.execute("PUBLISH", self._names.fanout_channel(exchange, routing_key), ""))
