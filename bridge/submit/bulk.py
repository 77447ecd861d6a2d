"""Many tasks at once: whole batches, each in one round trip, the next one made ready while Redis works."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from bridge.errors import BrokerUnavailable, CallsBrokeOff, HeldBack, InvalidMessage, PetioleError
from bridge.submit.acceptance import Outcome
from bridge.submit.entry import Entry
from bridge.submit.in_doubt import in_doubt

Item = TypeVar("Item")
Ready = Callable[[Item], Awaitable[Entry]]
Accepted = Awaitable[Sequence[Outcome]]
Accept = Callable[[Sequence[Entry]], Accepted]
Prepare = Callable[[Sequence[Entry]], Callable[[], Accepted]]
"""Does what can be done before they are accepted, which is when what it returns is called."""
MOST_TOGETHER = 10_000
"""Tasks that one round trip takes, all or none: Redis does nothing else meanwhile, for about 0.3 seconds."""
AT_A_STRETCH = 8
"""Items made ready before others have their turn, among them the batch before: a socket takes part of it in a turn,
and Redis does not begin before it has the whole."""


async def submit_all(
    items: Iterable[Item] | AsyncIterable[Item],
    ready: Ready[Item],
    prepare: Prepare,
    *,
    size: int,
    stop_at: type[PetioleError] | None = None,
) -> list[Outcome]:
    """Make every item ready and have it accepted, `size` in a round trip; outcomes in the order of the items.

    Batches do not overtake each other. What is refused does not keep the others back. Once Redis has not answered, the
    rest is refused without asking it. What is refused with a `stop_at` is raised instead, and no more is taken from the
    items.

    Raises:
        CallsBrokeOff: the items themselves raised, which is its cause, when some had been sent already. What is on its
            way then is waited for. While nothing has been sent, what they raise comes as it is.
    """
    sent = _Sent(stop_at)
    try:
        async for batch in _batches(items, size):
            made = [sent.away] * len(batch) if sent.away else await _all_made(batch, ready)
            accept = prepare([one for one in made if isinstance(one, Entry)])
            await sent.settle()
            sent.send(made, accept)
            await asyncio.sleep(0)  # it begins to be sent before the next is read
        await sent.settle()
    except Exception as error:
        await sent.settle()
        if not sent.outcomes or (stop_at and isinstance(error, stop_at)):
            raise
        raise CallsBrokeOff(sent.outcomes) from error
    finally:
        await sent.give_up()
    return sent.outcomes


class _Sent:
    """What was sent of many tasks: the outcomes so far, and the batch on its way."""

    def __init__(self, stop_at: type[PetioleError] | None) -> None:
        self._stop_at = stop_at
        self.outcomes: list[Outcome] = []
        self.away: BrokerUnavailable | None = None
        """Why no more is sent: Redis has not answered."""
        self._on_its_way: asyncio.Task[list[Outcome]] | None = None

    def send(self, made: Sequence[Entry | PetioleError], accept: Callable[[], Accepted]) -> None:
        """Send a batch; or refuse it, since Redis has not answered."""
        if self.away:
            self.outcomes += [self.away if isinstance(one, Entry) else one for one in made]
        else:
            self._on_its_way = asyncio.create_task(_settled(made, accept), name="submit many")

    async def settle(self) -> None:
        """Wait for the outcomes of the batch on its way, if there is one. Raises the first that is a `stop_at`."""
        if self._on_its_way:
            settled = await self._on_its_way
            self._on_its_way = None
            raise_first(self._stop_at, settled)
            self.outcomes += settled
            if any(isinstance(one, BrokerUnavailable) for one in settled):
                self.away = BrokerUnavailable("it has not answered what was sent before", undone=True)

    async def give_up(self) -> None:
        """End what is still on its way."""
        if self._on_its_way:
            self._on_its_way.cancel()
            await asyncio.wait([self._on_its_way])


def raise_first(kind: type[PetioleError] | None, outcomes: Iterable[Outcome]) -> None:
    """Raise the first error of a kind, if one is given and there is one."""
    if kind is None:
        return
    for one in outcomes:
        if isinstance(one, kind):
            raise one


async def submit_together(
    items: Iterable[Item] | AsyncIterable[Item], ready: Ready[Item], accept: Accept
) -> list[Outcome]:
    """Make every item ready, then have all of them accepted in one round trip, or none.

    Raises:
        InvalidMessage: there are more than `MOST_TOGETHER`.
        BrokerUnavailable: Redis did not answer.
    """
    made: list[Entry | PetioleError] = []
    async for batch in _batches(items, AT_A_STRETCH):
        made += await _all_made(batch, ready)
        if len(made) > MOST_TOGETHER:
            raise InvalidMessage("", f"there are more than {MOST_TOGETHER} tasks, which cannot be queued all or none")
    entries = [one for one in made if isinstance(one, Entry)]
    if len(entries) < len(made):
        return [HeldBack(one.task_id) if isinstance(one, Entry) else one for one in made]
    return list(await accept(entries))


async def _batches(items: Iterable[Item] | AsyncIterable[Item], size: int) -> AsyncIterator[list[Item]]:
    if isinstance(items, Iterable):
        rest = iter(items)
        while batch := list(islice(rest, size)):
            yield batch
        return
    batch = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def _all_made(batch: Sequence[Item], ready: Ready[Item]) -> list[Entry | PetioleError]:
    made: list[Entry | PetioleError] = []
    for at in range(0, len(batch), AT_A_STRETCH):
        made += [await _made(item, ready) for item in batch[at : at + AT_A_STRETCH]]
        await asyncio.sleep(0)
    return made


async def _made(item: Item, ready: Ready[Item]) -> Entry | PetioleError:
    try:
        return await ready(item)
    except PetioleError as error:
        return error


async def _settled(made: Sequence[Entry | PetioleError], accept: Callable[[], Accepted]) -> list[Outcome]:
    entries = [one for one in made if isinstance(one, Entry)]
    try:
        told = iter(await accept() if entries else ())
    except BrokerUnavailable as error:
        told = iter([in_doubt(error, entry) for entry in entries])
    except PetioleError as error:
        told = iter([error] * len(entries))
    return [next(told) if isinstance(one, Entry) else one for one in made]
