"""The mailbox: remote control of workers, Kombu's pidbox."""

from collections.abc import Callable

from bridge.protocol.control import seal_revoke
from bridge.protocol.keys import pidbox_channel
from bridge.redis import Redis


class Mailbox:
    """Casts commands to every worker of a broker. `new_id` gives a fresh UUID for each message."""

    def __init__(self, redis: Redis, new_id: Callable[[], str]) -> None:
        self._redis = redis
        self._new_id = new_id

    async def revoke(self, task_id: str, *, terminate: bool = False, signal: str = "SIGTERM") -> int:
        """Tell all workers to discard a task, and with `terminate` to end the process that runs it.

        Returns how many workers heard it.

        Raises:
            InvalidMessage: `signal` is no name of a signal.
            BrokerUnavailable: Redis does not answer.
        """
        command = seal_revoke(task_id, terminate=terminate, signal=signal, delivery_tag=self._new_id())
        return int(await self._redis.execute("PUBLISH", pidbox_channel(self._redis.database), command))
