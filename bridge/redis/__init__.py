"""The one gateway to redis-py: typed, errors translated."""

from bridge.redis.connection import Arg, connection_pool, patience
from bridge.redis.gateway import Command, Redis, Reply, Script
from bridge.redis.published import Echo, Published, Subscriptions
from bridge.redis.stream import Entry, StreamReader

__all__ = [
    "Arg",
    "Command",
    "Echo",
    "Entry",
    "Published",
    "Redis",
    "Reply",
    "Script",
    "StreamReader",
    "Subscriptions",
    "connection_pool",
    "patience",
]
