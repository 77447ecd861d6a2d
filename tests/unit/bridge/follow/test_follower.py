from collections.abc import Sequence

import pytest

from bridge.errors import SubscriberTooSlow, TaskNotFound
from bridge.follow.follower import Follower, Reset
from bridge.follow.subscriber import Subscriber
from bridge.records.status import StatusUpdate
from bridge.records.status_store import Missed
from tests.unit.bridge.updates import TASK_ID, last_update, update


class History:
    """A status store of one task, of whose updates the first `dropped` are not kept any more."""

    def __init__(self, *updates: StatusUpdate, dropped: int = 0) -> None:
        self.updates = list(updates)
        self.dropped = dropped

    async def read_after(self, task_id: str, after: int) -> Missed:
        if not self.updates:
            raise TaskNotFound(task_id)
        kept = self.updates[max(after, self.dropped) :]
        seq = len(self.updates)
        return Missed(seq=seq, dropped=self.dropped, status=self.updates[-1].status, updates=kept)


def follower(history: History, after: int = 0) -> tuple[Follower, Subscriber]:
    subscriber = Subscriber(TASK_ID, limit=10)
    return Follower(history, subscriber, after), subscriber


def seqs(steps: Sequence[StatusUpdate | Reset]) -> list[int]:
    assert not any(isinstance(step, Reset) for step in steps)
    return [step.seq for step in steps]


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_follower_gets_exactly_what_it_missed(after: int) -> None:
    follow, _ = follower(History(update(1), update(2), update(3)), after)

    assert seqs(await follow.catch_up()) == [1, 2, 3][after:]
    assert (follow.seq, follow.ended) == (3, False)


async def test_what_the_hub_repeats_is_not_told_twice() -> None:
    follow, subscriber = follower(History(update(1), update(2)))
    for seq in (1, 2, 3):
        subscriber.put(update(seq))

    assert seqs(await follow.catch_up()) == [1, 2]
    assert seqs(await follow.next(timeout=0)) == [3]


async def test_nothing_new_is_no_step() -> None:
    follow, _ = follower(History(update(1)))
    await follow.catch_up()
    assert await follow.next(timeout=0) == []


async def test_a_gap_in_what_the_hub_says_is_filled_from_the_history() -> None:
    history = History(update(1), update(2))
    follow, subscriber = follower(history)
    await follow.catch_up()

    history.updates += [update(3), update(4)]
    subscriber.put(update(4))

    assert seqs(await follow.next(timeout=0)) == [3, 4]


async def test_a_hub_that_lost_its_place_is_no_gap_for_its_followers() -> None:
    history = History(update(1))
    follow, subscriber = follower(history)
    await follow.catch_up()

    history.updates += [update(2), last_update(3)]
    subscriber.mark_stale()

    assert seqs(await follow.next(timeout=0)) == [2, 3]
    assert follow.ended


async def test_the_last_update_ends_a_follower() -> None:
    follow, subscriber = follower(History(update(1)))
    await follow.catch_up()
    subscriber.put(last_update(2))

    assert seqs(await follow.next(timeout=0)) == [2]
    assert follow.ended


async def test_a_follower_that_comes_back_after_the_end_has_ended_at_once() -> None:
    follow, _ = follower(History(update(1), last_update(2)), after=2)
    assert await follow.catch_up() == []
    assert follow.ended


@pytest.mark.parametrize("after", [0, 1])
async def test_updates_that_are_not_kept_any_more_are_told_as_a_reset(after: int) -> None:
    follow, _ = follower(History(update(1), update(2), update(3), dropped=2), after)
    assert await follow.catch_up() == [Reset(seq=2), update(3)]


async def test_a_follower_whose_next_update_is_still_kept_needs_no_reset() -> None:
    follow, _ = follower(History(update(1), update(2), update(3), dropped=2), after=2)
    assert seqs(await follow.catch_up()) == [3]


@pytest.mark.parametrize("dropped", [0, 1])
async def test_a_position_that_the_task_has_not_reached_starts_over_with_a_reset(dropped: int) -> None:
    follow, _ = follower(History(update(1), update(2), dropped=dropped), after=99)
    assert await follow.catch_up() == [Reset(seq=dropped), *[update(1), update(2)][dropped:]]
    assert follow.seq == 2


async def test_a_task_that_is_not_known_cannot_be_followed() -> None:
    follow, _ = follower(History())
    with pytest.raises(TaskNotFound):
        await follow.catch_up()


async def test_a_follower_that_does_not_keep_up_is_told_so() -> None:
    follow, subscriber = follower(History(update(1)))
    for seq in range(1, 12):
        subscriber.put(update(seq))
    with pytest.raises(SubscriberTooSlow):
        await follow.next(timeout=0)
