from bridge.protocol.news import News
from bridge.protocol.state import Status
from bridge.redis import Echo
from bridge.watch.results_in_turn import ResultsInTurn


def news(status: Status | None, task_id: str = "a1") -> News:
    return News(task_id=task_id, status=status, at_ms=0)


PROGRESS, RETRYING, DONE = news(None), news(Status.RETRYING), news(Status.SUCCEEDED)


async def test_progress_is_taken_at_once_and_the_end_of_an_attempt_in_its_turn() -> None:
    taken: list[News] = []

    async def take(one: News) -> None:
        taken.append(one)

    results = ResultsInTurn(Echo(), take)
    for one in (PROGRESS, RETRYING, PROGRESS, DONE, news(None, "a2")):
        await results.heard(one)
    assert taken == [PROGRESS, news(None, "a2")]

    await results.take_waiting()
    assert taken == [PROGRESS, news(None, "a2"), RETRYING, PROGRESS, DONE]

    await results.heard(PROGRESS)
    assert taken[-1] is PROGRESS
