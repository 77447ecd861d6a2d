import httpx
import pytest

from app.cli.errors import ApiUnreachable, UnexpectedAnswer, UsageProblem
from app.cli.following.follower import Patience, follow
from app.cli.following.updates import Update
from tests.unit.app.cli.following.streams import Script, broken_stream, client, event, status_event, stream

AT_ONCE = Patience(first_pause=0, longest_pause=0, attempts=3)
DROPPED = httpx.ConnectError("connection refused")


async def followed(script: Script, after: int | None = None) -> list[Update]:
    async with client(script) as http:
        return [update async for update in follow(http, "t", after=after, patience=AT_ONCE)]


async def test_a_task_is_followed_to_its_end_and_no_further() -> None:
    script = Script([stream(status_event(1, "submitted"), status_event(2, "succeeded"), status_event(3, "running"))])
    assert [update.status for update in await followed(script)] == ["submitted", "succeeded"]


async def test_after_a_dropped_connection_only_what_was_missed_is_asked_for() -> None:
    script = Script(
        [
            broken_stream(status_event(1, "submitted"), status_event(2, "running")),
            DROPPED,
            stream(status_event(3, "succeeded")),
        ]
    )
    assert [update.seq for update in await followed(script)] == [1, 2, 3]
    assert script.cursors == [None, "2", "2"]


async def test_an_event_that_broke_off_in_the_middle_is_not_taken_for_seen() -> None:
    half = status_event(2, "running")[:20]
    script = Script([broken_stream(status_event(1, "submitted"), half), stream(status_event(2, "failed"))])
    assert [update.seq for update in await followed(script)] == [1, 2]
    assert script.cursors == [None, "1"]


async def test_a_server_that_closes_is_left_and_found_again() -> None:
    closing = event(None, "closing") + b"retry: 1\n\n"
    script = Script([stream(status_event(1, "running"), closing), stream(status_event(2, "succeeded"))])
    updates = await followed(script)
    assert [update.name for update in updates] == ["running", "closing", "succeeded"]


async def test_no_content_means_that_there_is_nothing_more_to_come() -> None:
    script = Script([stream(status_event(1, "running")), httpx.Response(204)])
    assert [update.seq for update in await followed(script)] == [1]


async def test_a_follower_can_start_where_another_left_off() -> None:
    script = Script([stream(status_event(8, "succeeded"))])
    await followed(script, after=7)
    assert script.cursors == ["7"]


async def test_an_unknown_task_is_not_asked_for_twice() -> None:
    problem = {"title": "Not found", "detail": "No task with the id 't' is known.", "status": 404}
    script = Script([httpx.Response(404, json=problem)])
    with pytest.raises(UsageProblem, match="No task with the id 't' is known"):
        await followed(script)


async def test_a_busy_server_is_asked_again() -> None:
    script = Script([httpx.Response(503), httpx.Response(429), stream(status_event(1, "succeeded"))])
    assert len(await followed(script)) == 1


@pytest.mark.parametrize("answer", [DROPPED, httpx.ReadTimeout("silence"), httpx.Response(503), stream()])
async def test_a_server_that_never_says_anything_is_given_up(answer: httpx.Response | Exception) -> None:
    script = Script([answer] * AT_ONCE.attempts)
    with pytest.raises(ApiUnreachable, match=r"http://api\.test"):
        await followed(script)
    assert len(script.requests) == AT_ONCE.attempts


async def test_news_between_two_failures_renews_the_patience() -> None:
    rounds: list[list[httpx.Response | Exception]]
    rounds = [[DROPPED, DROPPED, broken_stream(status_event(seq, "running"))] for seq in range(1, 5)]
    script = Script([*(answer for each in rounds for answer in each), stream(status_event(5, "succeeded"))])
    assert [update.seq for update in await followed(script)] == [1, 2, 3, 4, 5]


async def test_something_that_is_no_petiole_is_told_apart() -> None:
    with pytest.raises(UnexpectedAnswer, match="cannot be read"):
        await followed(Script([stream(b"data: hello\n\n")]))


def test_pauses_double_up_to_a_limit_and_start_with_what_the_server_wants() -> None:
    patience = Patience(first_pause=1, longest_pause=5)
    assert [patience.pause(failures, None) for failures in range(5)] == [1, 1, 2, 4, 5]
    assert patience.pause(1, 3_000) == 3
