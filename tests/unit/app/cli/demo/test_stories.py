from collections.abc import Sequence

import pytest

from app.cli.demo.stories import Story, Told, stories
from app.cli.following.updates import Update
from tests.unit.app.cli.following.test_updates import update

FLAKY = Story(title="flaky", request=None, ends="succeeded", attempts=3)
AT = "2026-01-01T00:00:0{}Z"


def retry(seq: int, attempt: int, failed_at: str, put_off_to: str) -> list[Update]:
    failed = update("retrying", str(seq), attempt=attempt, time=AT.format(failed_at))
    return [failed, update("scheduled", str(seq + 1), attempt=attempt + 1, eta=AT.format(put_off_to))]


def flaky(*, second: str = "6", attempts: int = 3, last: str = "succeeded", last_seq: str = "5") -> list[Update]:
    retries = retry(1, 1, "1", "2") + retry(3, 2, "3", second)
    return [*retries, update(last, last_seq, attempt=attempts, final=True)]


def told(updates: Sequence[Update], story: Story = FLAKY) -> Told:
    return Told(story=story, task_id="t", updates=updates)


def test_a_story_that_went_as_it_should_has_no_complaints() -> None:
    one = told(flaky())
    assert one.complaints() == []
    assert one.delays == [1, 3]


@pytest.mark.parametrize(
    ("updates", "complaint"),
    [
        (flaky(last="failed"), "ended failed"),
        (flaky(attempts=2), "took 2 attempts"),
        (flaky(last_seq="6"), r"numbered \[1, 2, 3, 4, 6\]"),
        (flaky(last_seq="4"), r"numbered \[1, 2, 3, 4, 4\]"),
        (flaky(second="4"), "do not grow"),
        (flaky()[4:], "0 delays"),
    ],
)
def test_whatever_is_not_as_it_should_be_is_told(updates: list[Update], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        assert not told(updates).complaints()


def test_a_failure_must_say_why() -> None:
    story = Story(title="fails", request=None, ends="failed")
    assert told([update("failed", "1")], story).complaints() == ["the error says nothing"]


def test_the_demo_goes_through_both_ways_to_submit_and_all_kinds_of_ends() -> None:
    cast = stories()
    assert [story.request is None for story in cast].count(True) == 1
    assert {(story.ends, story.attempts) for story in cast} == {("succeeded", 1), ("succeeded", 3), ("failed", 1)}
