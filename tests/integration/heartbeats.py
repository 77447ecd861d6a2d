"""Workers whose heartbeats a watcher has heard."""

import json

from bridge.protocol.keys import Keys
from bridge.redis import Redis


class Heartbeats:
    """Has workers' heartbeats heard at `now_ms`, which a test moves on."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.keys = Keys(redis.settings.prefix)
        self.now_ms = 1_000_000

    async def beats(self, worker: str, pid: int = 1, kind: str = "worker-heartbeat") -> None:
        """A heartbeat of the worker was heard."""
        heartbeat = {"type": kind, "hostname": worker, "pid": pid, "freq": 2.0}
        sign = json.dumps({"at": self.now_ms, "heartbeat": heartbeat})
        await self.redis.execute("HSET", self.keys.workers, worker, sign)
