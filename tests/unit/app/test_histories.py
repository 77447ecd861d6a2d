"""The updates of a task as JSON, with a word about those that are not kept any more."""

import pytest
from fastapi import FastAPI

from app.histories import History
from tests.unit.app.edge import ToldClient, ToldHistory, asked, record
from tests.unit.bridge.updates import TASK_ID, last_update, update

WHERE = pytest.mark.parametrize("where", ["history", "events"])
UPDATES = (update(1, "submitted"), update(2, progress={"current": 1}), last_update(3))


async def read(app: FastAPI, where: str, after: int, *, dropped: int = 0) -> History:
    """The answer, when two of three updates may have been dropped."""
    client = ToldClient(ToldHistory(*UPDATES, dropped=dropped), record=record(seq=3))
    path, headers = f"/v1/tasks/{TASK_ID}/{where}", {"Accept": "application/json"}
    answer = await asked(app, client, "GET", path, params={"after": after}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert ("task" in answer.json()) is answer.json()["reset"]
    return History.model_validate_json(answer.content)


def seqs(history: History) -> list[int]:
    return [update.seq for update in history.updates]


@WHERE
@pytest.mark.parametrize(("after", "left"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
async def test_updates_that_are_all_kept_need_no_word(app: FastAPI, where: str, after: int, left: list[int]) -> None:
    history = await read(app, where, after)
    assert (history.task_id, history.reset, seqs(history)) == (TASK_ID, False, left)


@WHERE
@pytest.mark.parametrize(("after", "reset"), [(0, True), (1, True), (2, False)])
async def test_updates_that_are_not_kept_any_more_are_said_to_be_missing_and_the_task_is_told(
    app: FastAPI, where: str, after: int, reset: bool
) -> None:
    history = await read(app, where, after, dropped=2)
    assert (history.reset, seqs(history)) == (reset, [3])
    assert (history.task.seq if history.task else None) == (3 if reset else None)


@WHERE
@pytest.mark.parametrize("dropped", [0, 2])
async def test_who_has_more_than_there_is_begins_anew(app: FastAPI, where: str, dropped: int) -> None:
    history = await read(app, where, 7, dropped=dropped)
    assert (history.reset, seqs(history)) == (True, [1, 2, 3][dropped:])
