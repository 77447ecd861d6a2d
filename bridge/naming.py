"""Celery's names in one installation: what its settings make of them."""

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
