"""What a workflow comes to, told by what is stored of its tasks and in which order that comes."""

import asyncio
from typing import Any

import pytest

from bridge.errors import PetioleError, Raised, TaskCancelled, TaskFailed
from bridge.protocol.canvas.results import ResultNode
from bridge.results.workflow_outcome import GRACE_SECONDS, grace_within, outcome_of

DEADLINE = 5
SOON, LONG = 0.01, 60.0
"""Seconds of grace: over at once, and never within a test."""


def task(name: str, parent: ResultNode | None = None) -> ResultNode:
    return ResultNode(id=name, parent=parent)


def group(*children: ResultNode, parent: ResultNode | None = None) -> ResultNode:
    return ResultNode(id="g", children=children, parent=parent)


HEADER = group(task("a"), task("b"))
CHORD = task("body", HEADER)
GROUP_AS_A_BODY = group(task("c"), task("d"), parent=HEADER)
FAILS = TaskFailed("a1", Raised("ValueError", "it's broken"))
IS_TOLD = TaskFailed("body", Raised("ChordError", "Dependency b raised ValueError"))
REVOKED = TaskCancelled("c", "revoked")


class Stored:
    """What is stored of tasks; of the others nothing comes."""

    def __init__(self, **outcomes: Any) -> None:
        self._outcomes: dict[str, asyncio.Future[Any]] = {}
        for task_id, outcome in outcomes.items():
            self.store(task_id, outcome)

    async def __call__(self, task_id: str) -> Any:
        outcome = await self._of(task_id)
        if isinstance(outcome, PetioleError):
            raise outcome
        return outcome

    def store(self, task_id: str, outcome: Any) -> None:
        self._of(task_id).set_result(outcome)

    def _of(self, task_id: str) -> "asyncio.Future[Any]":
        return self._outcomes.setdefault(task_id, asyncio.get_running_loop().create_future())


async def come_of(node: ResultNode, stored: Stored, grace: float = LONG) -> Any:
    async with asyncio.timeout(DEADLINE):
        return await outcome_of(node, stored, grace)


async def test_a_chain_comes_to_what_its_last_step_returns() -> None:
    assert await come_of(task("b", task("a")), Stored(a=1, b=2)) == 2


async def test_a_group_comes_to_the_results_of_its_members() -> None:
    node = group(task("b", task("a")), group(task("c")))
    assert await come_of(node, Stored(a=1, b=2, c=3)) == [2, [3]]


@pytest.mark.parametrize("error", [FAILS, REVOKED])
async def test_a_step_that_does_not_succeed_is_told_at_once(error: PetioleError) -> None:
    with pytest.raises(type(error)):
        await come_of(task("c", task("b", task("a"))), Stored(a=1, b=error))


async def test_of_a_chord_what_the_body_is_told_comes_before_the_error_of_the_header() -> None:
    stored = Stored(a=1, b=FAILS)
    waiting = asyncio.ensure_future(come_of(CHORD, stored))
    asyncio.get_running_loop().call_later(SOON, stored.store, "body", IS_TOLD)
    with pytest.raises(TaskFailed, match="ChordError"):
        await waiting


@pytest.mark.parametrize(
    "node",
    [
        CHORD,
        task("outer", group(task("body", HEADER), task("c"))),
        task("last", group(task("c"), parent=HEADER)),
        group(task("c"), task("d"), parent=task("x", HEADER)),
    ],
    ids=["a task", "a chord in a header", "a chord as a body", "a chain to a group as a body"],
)
async def test_a_chord_whose_body_nobody_tells_comes_to_the_error_of_the_header(node: ResultNode) -> None:
    with pytest.raises(TaskFailed, match="ValueError"):
        await come_of(node, Stored(a=1, b=FAILS), SOON)


async def test_a_group_that_is_a_body_and_was_revoked_comes_to_the_error_of_the_header() -> None:
    with pytest.raises(TaskFailed, match="ValueError"):
        await come_of(GROUP_AS_A_BODY, Stored(a=1, b=FAILS, c=REVOKED))


async def test_a_body_that_is_cancelled_while_its_header_runs_is_cancelled() -> None:
    with pytest.raises(TaskCancelled):
        await come_of(GROUP_AS_A_BODY, Stored(a=1, c=REVOKED), SOON)


async def test_a_body_that_is_cancelled_after_its_header_is_cancelled() -> None:
    with pytest.raises(TaskCancelled):
        await come_of(CHORD, Stored(a=1, b=2, body=REVOKED))


def test_whoever_waits_for_a_short_time_is_told_within_it() -> None:
    assert grace_within(None) == grace_within(30) == GRACE_SECONDS
    assert grace_within(0.5) < 0.5
