"""Celery's names in one installation: what its settings make of them."""

from bridge.errors import InvalidMessage
from bridge.protocol.keys import SEPARATOR, BrokerKeys, ResultKeys
from bridge.redis import Redis


def broker_keys(redis: Redis) -> BrokerKeys:
    """Names on the broker that `redis` is connected to."""
    settings = redis.settings
    return BrokerKeys(
        database=redis.database,
        prefix=settings.broker_global_keyprefix,
        steps=tuple(map(int, settings.broker_priority_steps.split(","))),
        separator=settings.broker_sep or SEPARATOR,
    )


def result_keys(redis: Redis) -> ResultKeys:
    """Names on the result backend that `redis` is connected to."""
    return ResultKeys.of(redis.settings.result_backend_global_keyprefix)


def check_queue(redis: Redis, queue: str, pointer: str) -> None:
    """Check the name of a queue by what the settings say.

    Raises:
        InvalidMessage: it would be a key of Petiole's own, or workers would not read it as one queue.
    """
    names, prefix = broker_keys(redis), redis.settings.prefix
    if names.key(queue).startswith(prefix):
        raise InvalidMessage(pointer, f"must not start with {names.name(prefix)!r}, as Petiole's own keys do")
    if names.separator in queue:
        raise InvalidMessage(pointer, f"must not have {names.separator!r} in it: workers split names there")
