"""Errors cross processes whole: pools send them, and tasks raise them."""

import copy
import pickle
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

import bridge  # all modules that have errors of their own
from bridge.errors import (
    ApiKeyNotFound,
    BrokerUnavailable,
    CallsBrokeOff,
    DuplicateTask,
    HeldBack,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidOwner,
    NotACall,
    PayloadGone,
    PetioleError,
    PublisherBusy,
    QueueNotFound,
    QueuePaused,
    QueueSaturated,
    Raised,
    SomeRefused,
    SubscriberTooSlow,
    TaskCancelled,
    TaskEnded,
    TaskExpired,
    TaskFailed,
    TaskNotFound,
)
from bridge.handle import TaskHandle

REFUSED = DuplicateTask("a1")
MADE: tuple[PetioleError, ...] = (
    InvalidMessage("/args/0", "is bad"),
    NotACall("/options/quue", "there is no such option"),
    DuplicateTask("a1"),
    QueueSaturated("mail", 10, retry_after=7),
    QueuePaused("mail"),
    PublisherBusy(10, retry_after=7),
    IdempotencyKeyReused("k1"),
    HeldBack("a1"),
    SomeRefused(["a1", REFUSED]),
    CallsBrokeOff(["a1"]),
    BrokerUnavailable("gone", retry_after=7),
    TaskNotFound("a1"),
    TaskExpired("a1"),
    QueueNotFound("mail"),
    TaskEnded("a1", "succeeded"),
    PayloadGone("a1", "succeeded"),
    TaskFailed("a1", Raised("ValueError", "it's broken, 5", ["it's broken", 5], "builtins", "Traceback …")),
    TaskCancelled("a1", "revoked"),
    InvalidOwner("a b"),
    ApiKeyNotFound("k1"),
)


def kinds(root: type[PetioleError] = PetioleError) -> Iterator[type[PetioleError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def error_of(kind: type[PetioleError]) -> PetioleError:
    """One of exactly this kind. One that is not among `MADE` takes a sentence, as the root does."""
    made = {type(error): error for error in MADE}
    return made.get(kind) or kind("This is what happened.")


def sent(error: PetioleError, protocol: int | None = None) -> Any:
    """What another process of a pool has of it."""
    return ForkingPickler.loads(ForkingPickler.dumps(error, protocol))


def told(error: BaseException) -> tuple[object, ...]:
    attributes = {name: _told(value) for name, value in vars(error).items()}
    return type(error), str(error), repr(error), error.args, attributes


def _told(value: Any) -> Any:
    if isinstance(value, BaseException):
        return told(value)
    if isinstance(value, dict):
        return {name: _told(inner) for name, inner in value.items()}
    return [_told(inner) for inner in value] if isinstance(value, list) else value


BRIDGE = sorted(
    {kind for kind in kinds() if kind.__module__.startswith(bridge.__name__)}, key=lambda kind: kind.__name__
)


@pytest.mark.parametrize("kind", BRIDGE)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_that_was_pickled_is_the_same(kind: type[PetioleError], protocol: int) -> None:
    error = error_of(kind)
    assert told(sent(error, protocol)) == told(error)


@pytest.mark.parametrize("kind", BRIDGE)
def test_an_error_that_was_copied_is_the_same(kind: type[PetioleError]) -> None:
    error = error_of(kind)
    assert told(copy.copy(error)) == told(copy.deepcopy(error)) == told(error)


def test_the_tree_is_walked_to_its_leaves() -> None:
    assert {SubscriberTooSlow, TaskExpired, NotACall, *map(type, MADE)} < set(BRIDGE)


def test_of_tasks_that_are_queued_the_ids_go_to_another_process() -> None:
    """A handle is of a client, which does not go along."""
    error = SomeRefused([TaskHandle(NO_CLIENT, "a1"), REFUSED])
    again = sent(error)
    assert again.outcomes[0] == "a1"
    assert told(again.outcomes[1]) == told(again.errors[1]) == told(REFUSED)
    assert copy.copy(error).outcomes == error.outcomes


NO_CLIENT: Any = None
