"""What `accept.lua` is told of tasks: once what they have in common, and each by itself."""

import pytest

from bridge.protocol.keys import BrokerKeys, Keys
from bridge.protocol.route import Route
from bridge.protocol.template import Template
from bridge.submit.entry import Entry, Kind, claims_of, kinds_and_tasks
from bridge.submit.idempotency import Claim

MAIL, LATE_MAIL, OTHER = (
    Kind(
        Route(queue=queue, priority=priority), first=b"{}", task="t", at_ms=1, template=Template.of("VI", "<", "-", ">")
    )
    for queue, priority in (("mail", 0), ("mail", 9), ("other", 0))
)


def entry(task_id: str, kind: Kind) -> Entry:
    return Entry(task_id, "n", kind, (f"m-{task_id}",))


@pytest.mark.parametrize(
    ("kinds", "numbers"),
    [
        ([MAIL, MAIL, MAIL], [1, 1, 1]),
        ([MAIL, OTHER, MAIL, OTHER], [1, 2, 1, 2]),
        ([MAIL, MAIL._replace(at_ms=2), MAIL._replace(more=("owner", "o")), MAIL], [1, 2, 3, 1]),
    ],
)
def test_what_tasks_have_in_common_is_told_once(kinds: list[Kind], numbers: list[int]) -> None:
    entries = [entry(str(which), kind) for which, kind in enumerate(kinds)]
    _, (count, *args) = kinds_and_tasks(entries, BrokerKeys())
    assert count == len(set(kinds))
    tasks = args[-4 * len(entries) :]
    assert tasks[::4] == numbers
    assert tasks[1:4] == ["0", "n", "m-0"]
    assert entries[0].message == b"<m-0-0>"


def test_queues_are_numbered_in_the_order_of_their_lists() -> None:
    lists, args = kinds_and_tasks([entry("a", MAIL), entry("b", LATE_MAIL), entry("c", OTHER)], BrokerKeys())
    assert lists[::4] == ["mail", "other"]
    assert args[0] == 3
    assert [args[at : at + 2] for at in (1, 14, 27)] == [[1, 1], [1, 4], [2, 1]]


def test_a_kind_tells_the_further_fields_of_its_records() -> None:
    kind = MAIL._replace(due=5, second=b"[]", more=("owner", "o", "priority", 3))
    _, args = kinds_and_tasks([entry("a", kind)], BrokerKeys())
    told = [1, 1, 5, b"{}", b"[]", "t", "mail", 1, "VI", "<", "-", ">", 4, "owner", "o", "priority", 3]
    assert args == [1, *told, 1, "a", "n", "m-a"]


def test_what_is_not_recorded_has_no_name() -> None:
    assert not Kind(Route(queue="mail")).is_recorded
    assert MAIL.is_recorded


def test_a_claim_says_which_of_the_tasks_it_is_of() -> None:
    claim = Claim("o", "key", "print", "1")
    entries = [entry("a", MAIL), entry("b", MAIL)._replace(claim=claim)]
    own = Keys("petiole:")
    assert claims_of(entries, own) == [1, 2, own.idempotency("o", claim.name), "print", claim.answer]
    assert claims_of(entries[:1], own) == [0]
