"""The sweep: what workers stored, for all tasks of which nobody heard the news."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.news import UNKNOWN_ATTEMPT, News
from bridge.protocol.result import news_of_meta, read_meta
from bridge.protocol.values import check_task_id
from bridge.records.status_store import StatusStore
from bridge.results.backend import ResultBackend
from bridge.submit.planned_steps import PlannedSteps
from bridge.watch.lost_tasks import Search

logger = logging.getLogger(__name__)


class Sweep:
    """Compares tasks with the result backend. Raises `BrokerUnavailable` when that or Redis does not answer.

    What is found there comes after what was said before, so `all_told` is waited for: until all of that is recorded.
    """

    def __init__(
        self,
        store: StatusStore,
        backend: ResultBackend,
        search: Search,
        all_told: Callable[[], Awaitable[None]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._backend = backend
        self._search = search
        self._all_told = all_told
        self._planned = PlannedSteps(store)
        self._clock_ms = clock_ms

    async def all_open(self) -> int:
        """Compare every open task; how many moved."""
        moved = 0
        async for page in self._store.open_tasks():
            moved += await self.compare(page)
        now_ms = self._clock_ms()
        await self._store.forget_open(now_ms - self._store.settings.open_ttl * 1000)
        await self._store.forget_gone(now_ms)
        return moved + await self._planned.conclude(now_ms)

    async def compare(self, task_ids: list[str], *, adopts: bool = False) -> int:
        """Compare these; how many moved."""
        at_ms = self._clock_ms()
        stored = await self._backend.stored(task_ids)
        await self._all_told()
        news = [found for value in stored if value and (found := self._read_stored(value, at_ms))]
        return await self._advance([replace(one, adopts=adopts, swept=True) for one in news])

    async def declare_lost(self, listening_since_ms: int) -> int:
        """Declare lost what is lost; how many: none, before workers were listened to as long as they may be silent."""
        at_ms = self._clock_ms()
        if at_ms - listening_since_ms < self._search.silence_ms:
            return 0
        news = await self._search.lost(at_ms)
        task_ids = [one.task_id for one in news]
        told = zip(news, await self._store.last_news(task_ids), await self._backend.stored(task_ids), strict=True)
        # A task that stores no result may have ended while nobody listened: then it is not known what became of it.
        certain = [one for one, last_ms, stored in told if stored or last_ms >= listening_since_ms]
        for one in certain:
            logger.warning("task %s is lost: %s", one.task_id, one.details["error"]["message"])
        return await self._advance(certain)

    async def _advance(self, news: list[News]) -> int:
        outcomes = await self._store.advance(news) if news else []
        return sum(outcome.seq > 0 for outcome in outcomes)

    def read(self, value: bytes, at_ms: int) -> News | None:
        """News of what a worker stored, of an unknown attempt; None when there is none in it.

        Raises:
            UnreadableBytes: it is not what Celery stores.
        """
        meta = read_meta(value)
        if not is_usable(meta.task_id):
            return None
        limit = self._store.settings.result_inline_bytes
        return news_of_meta(meta, at_ms=at_ms, attempt=UNKNOWN_ATTEMPT, inline_limit=limit)

    def _read_stored(self, value: bytes, at_ms: int) -> News | None:
        try:
            return self.read(value, at_ms)
        except UnreadableBytes as error:  # one such value must not keep all others from being read
            logger.warning("passed over a stored result: %s", error)
            return None


def is_usable(task_id: str) -> bool:
    """Ids that Petiole would not accept are not adopted either: they could not stand in a URL."""
    try:
        check_task_id(task_id, "")
    except InvalidMessage:
        return False
    return True
