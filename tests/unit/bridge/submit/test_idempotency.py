from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.submit.call import Call
from bridge.submit.idempotency import (
    UNKNOWN,
    Claim,
    Digest,
    agree,
    check_key,
    fingerprint,
    fingerprint_of_replay,
    most_items,
)

AT = datetime(2026, 1, 31, tzinfo=UTC)
CALL = Call("tasks.add", [1, {"a": 1, "b": 2}], {"x": 1, "y": 2}, {"queue": "mail", "eta": AT})


@pytest.mark.parametrize(
    "same",
    [
        Call("tasks.add", (1, {"b": 2, "a": 1}), {"y": 2, "x": 1}, {"eta": AT, "queue": "mail"}),
        CALL._replace(options={**CALL.options, "idempotency_key": "k1"}),
        CALL._replace(options={**CALL.options, "priority": None, "tags": []}),
        CALL._replace(options={**CALL.options, "headers": {"traceparent": "00-1", "tracestate": "a", "baggage": "b"}}),
    ],
)
def test_a_call_that_asks_for_the_same_has_the_same_fingerprint(same: Call) -> None:
    assert fingerprint(same) == fingerprint(CALL)


@pytest.mark.parametrize(
    "other",
    [
        CALL._replace(task="tasks.mul"),
        CALL._replace(args=[1]),
        CALL._replace(args=[{"a": 1, "b": 2}, 1]),
        CALL._replace(kwargs={"x": 1, "y": 3}),
        CALL._replace(options={}),
        CALL._replace(options={**CALL.options, "headers": {"tenant": "acme"}}),
    ],
)
def test_a_call_that_asks_for_something_else_has_another_one(other: Call) -> None:
    assert fingerprint(other) != fingerprint(CALL)


def test_arguments_that_are_left_out_are_as_good_as_none() -> None:
    assert fingerprint(Call("a")) == fingerprint(Call("a", None, {})) == fingerprint(Call("a", [], None))


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, {("a", 1): 2}, {"x": {1, 2}}, "\ud800", AT])
def test_any_value_has_a_fingerprint(value: Any) -> None:
    assert len(fingerprint(Call("a", [value]))) == len(fingerprint(CALL))
    assert fingerprint(Call("a", [value])) != fingerprint(Call("a", []))


@pytest.mark.parametrize("key", ["", "x" * 301, "é", "a\nb", "\x7f"])
def test_a_key_is_printable_ascii(key: str) -> None:
    with pytest.raises(InvalidMessage, match="printable ASCII") as refused:
        check_key(key, "/options/idempotency_key")
    assert refused.value.pointer == "/options/idempotency_key"


@pytest.mark.parametrize("key", ["k", "x" * 300, "a key, with ~ all of it!"])
def test_all_other_keys_are_taken(key: str) -> None:
    check_key(key, "")


@pytest.mark.parametrize(
    "other",
    [
        ("a1", Call("", [], None)),
        ("a1", Call("", None, {})),
        ("a1", Call("", None, None, {"tags": []})),
        ("a2", Call("", None, None)),
    ],
)
def test_a_replay_with_other_changes_or_of_another_task_has_another_fingerprint(other: tuple[str, Call]) -> None:
    assert fingerprint_of_replay(*other) != fingerprint_of_replay("a1", Call("", None, None))
    assert fingerprint_of_replay(*other) == fingerprint_of_replay(*other)


def digest(*items: Call | InvalidMessage) -> str:
    told = Digest()
    for item in items:
        told.add(item)
    return str(told)


def test_a_digest_is_of_the_items_in_their_order() -> None:
    one, other, bad = Call("a"), Call("b"), InvalidMessage("/args", "is bad")
    digests = {digest(*items) for items in ([one], [other], [one, other], [other, one], [one, bad], [one, other, one])}
    assert len(digests) == 6
    assert digest(one, bad) == digest(one, bad)
    assert most_items(digest(one, bad)) == 2
    assert most_items(UNKNOWN) is None


def test_a_batch_whose_end_was_not_seen_agrees_with_every_batch_and_with_nothing_else() -> None:
    assert agree(digest(CALL), UNKNOWN)
    assert agree(UNKNOWN, UNKNOWN)
    assert not agree(digest(CALL), digest(CALL, CALL))
    assert not agree(UNKNOWN, fingerprint(CALL))
    assert not agree("replay:01", UNKNOWN)


def test_a_part_of_a_key_is_named_as_no_key_that_comes_over_http_can_be() -> None:
    assert Claim("", "k1", "f").name == "k1"
    assert Claim("", "k1", "f", "0").name == "k1 0"
