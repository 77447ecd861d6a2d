"""What a workflow comes to: the result of its last part, or the error of the part without which that never comes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bridge.awaiting import all_of, stop
from bridge.errors import TaskCancelled, TaskFailed
from bridge.protocol.canvas.results import ResultNode

GRACE_SECONDS = 1.0
"""How long the body of a chord is still awaited when the header has failed. Workers tell it within milliseconds of the
end of the last of the header, with an error that says more; and some bodies they never tell."""

Ask = Callable[[str], Awaitable[Any]]
"""What a task returned, once it has ended; raises `TaskFailed` and `TaskCancelled`."""


def grace_within(timeout: float | None) -> float:
    """The grace for whoever waits so many seconds: so that a failure that is there already is told in that time."""
    return GRACE_SECONDS if timeout is None else min(GRACE_SECONDS, timeout / 2)


def outcome_of(node: ResultNode, ask: Ask, grace: float) -> Awaitable[Any]:
    """What `node` comes to; of a group the list of what its members do.

    Raises:
        TaskFailed, TaskCancelled: of the first part that did not succeed, since what follows it never runs. But where
            the body of a chord is told within `grace` seconds that the header has failed, what it is told.
    """
    return _unless_failed(node, ask, grace) if node.parent else _own(node, ask, grace)


def _own(node: ResultNode, ask: Ask, grace: float) -> Awaitable[Any]:
    if node.ignores_result:
        return _nothing()
    if node.children is None:
        return ask(node.id)
    return all_of(outcome_of(child, ask, grace) for child in node.children)


async def _nothing() -> None:
    """What a task returns that stores no result: it is not waited for."""


async def _unless_failed(node: ResultNode, ask: Ask, grace: float) -> Any:
    """Its own, or the first error of its ancestors, when there is one and its own has not come or says only "revoked".

    A worker revokes the members of a group that is a body before it stores for each why.
    """
    awaited = asyncio.ensure_future(_own(node, ask, grace))
    before = asyncio.ensure_future(all_of(_earlier(one, ask, grace, awaited) for one in node.ancestors()))
    try:
        await asyncio.wait([awaited, before], return_when=asyncio.FIRST_COMPLETED)
        if _is_cancelled(awaited):
            await asyncio.wait([before], timeout=grace)
        if before.done() and (not awaited.done() or _is_cancelled(awaited)):
            await before
        return await awaited
    finally:
        await stop([awaited, before])


async def _earlier(node: ResultNode, ask: Ask, grace: float, after: "asyncio.Future[Any]") -> None:
    """That a header has failed is told by its body, as a rule; that it was cancelled may be told by nobody."""
    try:
        await _own(node, ask, grace)
    except TaskFailed:
        if node.children is not None:
            await asyncio.wait([after], timeout=grace)
        raise


def _is_cancelled(awaited: "asyncio.Future[Any]") -> bool:
    return awaited.done() and not awaited.cancelled() and isinstance(awaited.exception(), TaskCancelled)
