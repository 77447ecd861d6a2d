"""Where the messages of tasks are: in their queues, or with workers that have not acknowledged them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from bridge.errors import UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.delivery import task_of_message, task_of_unacked
from bridge.redis import Redis

PAGE = 500
DEEPEST_SEARCH = 10_000
"""Messages of one queue that are looked through. In a deeper queue every task that is sought is taken to be there."""


class Whereabouts:
    """Looks for messages. Raises `BrokerUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._names = broker_keys(redis)

    async def present(self, queue_of: Mapping[str, str]) -> Set[str]:
        """Which of these tasks, each with its queue, have a message, or may have one.

        A message that moves while this looks may be passed over: look twice, with a pause.
        """
        sought: dict[str, set[str]] = defaultdict(set)
        for task_id, queue in queue_of.items():
            sought[queue].add(task_id)
        # First the queues, then what is unacknowledged: the way a message goes.
        queued = [await self._in_queue(queue, ids) for queue, ids in sought.items()]
        return set().union(*queued) | (queue_of.keys() & await self._unacked())

    async def _in_queue(self, queue: str, task_ids: set[str]) -> Set[str]:
        try:
            return await self._in_lists(self._names.lists(queue), task_ids)
        except UnreadableBytes:  # a key of another kind has the name of the queue
            return task_ids

    async def _in_lists(self, keys: Sequence[str], task_ids: set[str]) -> Set[str]:
        if sum([int(await self._redis.execute("LLEN", key)) for key in keys]) > DEEPEST_SEARCH:
            return task_ids
        found: set[str | None] = set()
        for key in keys:
            start = 0
            while page := await self._redis.execute("LRANGE", key, start, start + PAGE - 1):
                found.update(map(task_of_message, page))
                start += PAGE
        return task_ids & found

    async def _unacked(self) -> set[str | None]:
        cursor, found = 0, set[str | None]()
        while True:
            cursor, page = await self._redis.execute("HSCAN", self._names.unacked, cursor, "COUNT", PAGE)
            found.update(map(task_of_unacked, page.values()))
            if not int(cursor):
                return found
