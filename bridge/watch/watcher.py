"""The watcher: hears what workers say, reads what they stored, and moves the records forward."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.ids import Ids
from bridge.protocol.attempts import EventSequence, Recent, ResultCounter, ends_an_attempt
from bridge.protocol.events import WORKER_EVENTS, Event, news_of_event, read_events
from bridge.protocol.news import News
from bridge.protocol.state import ENDS, Status
from bridge.records.status_store import Advanced, StatusStore
from bridge.redis import Echo, Published, Redis
from bridge.remote.event_receiver import EventReceiver
from bridge.remote.mailbox import Mailbox
from bridge.remote.queue_control import QueueControl
from bridge.remote.queues import Queues
from bridge.remote.withdrawn import Withdrawn
from bridge.results.backend import ResultBackend
from bridge.watch.comebacks import Comebacks
from bridge.watch.handover import BEAT_SECONDS, Handover
from bridge.watch.inbox import Inbox, Letter
from bridge.watch.listener import Listener, for_ever
from bridge.watch.lost_tasks import Search
from bridge.watch.results_in_turn import ResultsInTurn
from bridge.watch.revokes import Revokes
from bridge.watch.signs_of_life import SignsOfLife
from bridge.watch.sweep import Sweep, is_usable
from bridge.watch.whereabouts import Whereabouts

logger = logging.getLogger(__name__)
HINT_SECONDS = 0.05
"""How long a hint waits for the result channel to say the same, before the backend is asked."""
UNCONFIRMED_LIMIT = 50_000
"""Hints, and tasks to adopt, that wait while the backend is away. More are let go: the sweep finds what it stores."""
OVERDUE_SECONDS = 0.5
HINTS = frozenset({Status.SUCCEEDED, Status.FAILED, Status.REJECTED})
"""Ends that an event only hints at: the backend has the result itself, unless results are ignored. From Celery 5.7 on a
task that rejects its message for good is also said to have failed, and that is what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What a watcher hears, reads and moves: one broker and one result backend."""

    store: StatusStore
    backend: ResultBackend
    events: EventReceiver
    signs: SignsOfLife
    handover: Handover
    mailbox: Mailbox
    search: Search
    queue_control: QueueControl
    withdrawn: Withdrawn

    @classmethod
    def of(cls, redis: Redis, store: StatusStore, backend: ResultBackend, name: str) -> Self:
        """The installation that `redis` is the broker of; `name` is the watcher's own."""
        mailbox = Mailbox(redis, Ids().new)
        return cls(
            store=store,
            backend=backend,
            events=EventReceiver(redis),
            signs=SignsOfLife(redis, store.settings, name),
            handover=Handover(redis, store.settings, name),
            mailbox=mailbox,
            search=Search(store, Whereabouts(redis), mailbox, Queues(redis, store.settings)),
            queue_control=QueueControl(redis, store, backend, mailbox),
            withdrawn=Withdrawn(redis, backend),
        )


class Watcher:
    """Follows all tasks of an installation. `clock_ms` gives milliseconds since 1970."""

    def __init__(self, site: Installation, clock_ms: Callable[[], int]) -> None:
        self._store = site.store
        self._backend = site.backend
        self._events = site.events
        self._signs = site.signs
        self._handover = site.handover
        self._withdrawn = site.withdrawn
        self._clock_ms = clock_ms
        self._settings = site.store.settings
        self._sweep = Sweep(site.store, site.backend, site.search, self._all_told, clock_ms)
        self._comebacks = Comebacks((Revokes(site.store, site.mailbox).repeat, site.queue_control.enforce))
        self._inbox = Inbox(site.store, clock_ms, self._answered)
        self._echo = Echo()
        self._results = ResultsInTurn(self._echo, self._take_stored)
        self._listeners = (
            Listener("events", self._published_events, self._heard_events, self._events_told, site.handover),
            Listener("results", self._published_results, self._heard_result, self._results_told, site.handover),
        )
        self._sequence, self._counter = EventSequence(), ResultCounter()
        self._hints: Recent[News] = Recent()
        self._strangers: Recent[bool] = Recent()
        self._ended: Recent[bool] = Recent()
        self._missed = asyncio.Event()
        self._listening_since = clock_ms()

    def __repr__(self) -> str:
        return f"<Watcher {self._inbox!r} hints={len(self._hints)}>"

    async def follow(self) -> None:
        """Follow for ever; reconnects by itself, and sweeps whenever news may have been missed."""
        async with self._handover.taking_part(), asyncio.TaskGroup() as group:
            group.create_task(self._inbox.deliver_for_ever(), name="inbox")
            for listener in self._listeners:
                group.create_task(listener.listen(self._may_have_missed), name=repr(listener))
                group.create_task(for_ever(listener.catch_up, BEAT_SECONDS), name=f"{listener!r} catching up")
            group.create_task(for_ever(self._results.take_waiting, 0), name="results in turn")
            group.create_task(for_ever(self._confirm_hints, HINT_SECONDS), name="hints")
            group.create_task(for_ever(self._take_overdue, OVERDUE_SECONDS), name="overdue")
            group.create_task(for_ever(self._adopt_strangers, HINT_SECONDS), name="strangers")
            group.create_task(for_ever(self._sweep_when_missed, 0), name="missed")
            group.create_task(for_ever(self._comebacks.repeat_when_due, 0), name="comebacks")
            group.create_task(for_ever(self._give_sign, self._signs.SECONDS), name="signs of life")
            group.create_task(for_ever(self._handover.beat, BEAT_SECONDS), name="beats")

    async def sweep(self) -> int:
        """Compare every open task with the result backend, and look for lost ones; how many moved.

        What was cancelled, and could not be told to the result backend then, is told now.

        Raises:
            BrokerUnavailable: Redis or the backend does not answer.
        """
        moved = await self._sweep.all_open()
        moved += await self._sweep.declare_lost(self._listening_since)
        await self._signs.forget_old(self._clock_ms())
        await self._withdrawn.tell_the_rest()
        return moved

    async def release_due(self) -> int:
        """Hand held tasks whose time has come to their queues; how many."""
        return await self._store.release_due(self._clock_ms())

    def _may_have_missed(self) -> None:
        self._listening_since = self._clock_ms()
        self._missed.set()
        self._comebacks.missed()

    def _no_event(self, one: object) -> None:
        logger.warning("passed over what is no event: %.200r", one)

    async def _heard_events(self, data: bytes) -> None:
        at_ms = self._clock_ms()
        events = read_events(data, self._no_event)
        # Another watcher that results wait for as they begin may itself wait for these events.
        if "results" in self._handover.listens_to and any(ends_an_attempt(event) for event in events):
            await self._results.all_heard()
        for event in events:
            if event["type"] in WORKER_EVENTS:
                self._signs.heard(event, at_ms)
                self._comebacks.heard(event)
            else:
                await self._take(self._sequence.feed(event, at_ms), at_ms)

    async def _events_told(self) -> None:
        """Wait until all events that were published so far have been heard and recorded."""
        await self._echo.returns()
        await self._inbox.delivered()

    async def _results_told(self) -> None:
        """Wait until all results that were published so far have been heard, had their turn, and been recorded."""
        await self._results.all_taken()
        await self._inbox.delivered()

    async def _all_told(self) -> None:
        await self._results_told()
        await self._events_told()

    async def _take_overdue(self) -> None:
        at_ms = self._clock_ms()
        await self._echo.returns()  # what is waited for may have been said, and not been heard yet
        await self._take(self._sequence.overdue(at_ms), at_ms)

    async def _take(self, events: Iterable[tuple[Event, int]], at_ms: int) -> None:
        for event, attempt in events:
            try:
                news = news_of_event(event, at_ms=at_ms, attempt=attempt)
            except UnreadableBytes as error:  # the others that came with it are good
                logger.warning("passed over an event: %s", error)
                continue
            if news is not None and is_usable(news.task_id):
                await self._tell(replace(news, adopts=self._settings.adopt))

    async def _tell(self, news: News) -> None:
        if news.status not in HINTS:
            await self._inbox.put(Letter(news=news))
        elif len(self._hints) < UNCONFIRMED_LIMIT:
            self._hints[news.task_id] = news

    def _published_events(self) -> AsyncGenerator[Published, None]:
        return self._events.published(self._echo)

    def _published_results(self) -> AsyncGenerator[Published, None]:
        return self._backend.published(self._results.echo)

    async def _heard_result(self, data: bytes) -> None:
        news = self._sweep.read(data, self._clock_ms())
        if news:
            await self._results.heard(news)

    async def _take_stored(self, news: News) -> None:
        if news.final:  # it says no attempt; what is held back of the one that has ended does
            await self._take(self._sequence.release(news.task_id, news.at_ms), news.at_ms)
        counted = replace(news, attempt=self._counter.current(news.task_id))
        await self._inbox.put(Letter(news=counted, counter=self._counter))

    def _answered(self, letter: Letter, outcome: Advanced) -> None:
        task_id = letter.news.task_id
        if outcome.status in ENDS:
            self._ended[task_id] = True
        elif not outcome.known and self._settings.adopt and len(self._strangers) < UNCONFIRMED_LIMIT:
            self._strangers[task_id] = True

    async def _confirm_hints(self) -> None:
        hints = {task_id: news for task_id, news in self._hints.items() if task_id not in self._ended}
        self._hints.clear()
        if not hints:
            return
        try:
            await self._sweep.compare(list(hints), adopts=self._settings.adopt)
            await self._store.advance(list(hints.values()))  # changes only tasks that store no result
        except BrokerUnavailable:
            self._hints.update(hints)
            raise

    async def _adopt_strangers(self) -> None:
        """Adopt tasks of the result channel. It is shared by all databases of a server: what ours stores is ours."""
        if not self._strangers:
            return
        strangers = list(self._strangers)
        self._strangers.clear()
        try:
            await self._sweep.compare(strangers, adopts=True)
        except BrokerUnavailable:
            self._strangers.update(dict.fromkeys(strangers, True))
            raise

    async def _sweep_when_missed(self) -> None:
        await self._missed.wait()
        self._missed.clear()
        try:
            moved = await self.sweep()
        except BrokerUnavailable:
            self._missed.set()
            raise
        logger.info("following; %d tasks had moved unheard", moved)

    async def _give_sign(self) -> None:
        await self._signs.give(self._clock_ms(), self._inbox.lag_ms)
