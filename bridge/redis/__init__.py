"""The one gateway to redis-py: typed, errors translated."""

from bridge.redis.connection import Arg, patience
from bridge.redis.gateway import Redis, Reply, Script
from bridge.redis.published import Published, Subscriptions
from bridge.redis.stream import Entry, StreamReader

__all__ = ["Arg", "Entry", "Published", "Redis", "Reply", "Script", "StreamReader", "Subscriptions", "patience"]
