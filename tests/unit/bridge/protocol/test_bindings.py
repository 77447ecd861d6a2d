import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.bindings import Destination, check_heard, check_kind, other_layout, queue_for, read_bindings
from bridge.protocol.keys import SEPARATOR

KEY = "_kombu.binding.x"


def member(routing_key: str, pattern: str, queue: str, separator: str = SEPARATOR) -> bytes:
    return separator.join((routing_key, pattern, queue)).encode()


DIRECT = (member("red", "", "paint"), member("blue", "", "sky"))
# Patterns as Kombu 5.6 and 5.7 write them.
TOPIC = (member("a.#", r"^a\..*?$", "all"), member("b.*.c", r"^b\.[^\.]+\.c$", "some"))


def routed(members: tuple[bytes, ...], routing_key: str, exchange: str = "x") -> str:
    bindings = read_bindings(KEY, members, SEPARATOR)
    return queue_for(bindings, Destination(exchange=exchange, routing_key=routing_key))


@pytest.mark.parametrize(("routing_key", "queue"), [("red", "paint"), ("blue", "sky")])
def test_a_direct_exchange_goes_by_the_very_routing_key(routing_key: str, queue: str) -> None:
    assert routed(DIRECT, routing_key) == queue


@pytest.mark.parametrize(("routing_key", "queue"), [("a.b", "all"), ("a.b.c.d", "all"), ("b.x.c", "some")])
def test_a_topic_exchange_goes_by_the_patterns_that_kombu_stored(routing_key: str, queue: str) -> None:
    assert routed(TOPIC, routing_key) == queue


@pytest.mark.parametrize("routing_key", ["b.x.y.c", "b.c", "ab"])
def test_what_fits_no_pattern_is_unroutable(routing_key: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        routed(TOPIC, routing_key)
    assert refused.value.pointer == "/options/exchange"
    assert refused.value.reason == f"'x' has no queue for the routing key {routing_key!r}, only for 'a.#', 'b.*.c'"


def test_without_a_routing_key_only_a_queue_bound_without_one_is_meant() -> None:
    assert routed((member("", "", "any"), *DIRECT), "") == "any"
    with pytest.raises(InvalidMessage, match="no queue for the routing key ''"):
        routed(DIRECT, "")


def test_an_exchange_that_nobody_declared_is_unroutable() -> None:
    with pytest.raises(InvalidMessage, match="'x' has no queues: no worker has declared one"):
        routed((), "red")


def test_a_task_that_several_queues_would_get_is_refused_since_it_has_one_record() -> None:
    with pytest.raises(InvalidMessage, match="to the queues one, two: the task would run once for each"):
        routed((member("red", "", "two"), member("red", "", "one")), "red")


@pytest.mark.parametrize("routing_key", ["", "celery", "red"])
def test_queues_that_workers_heard_a_fanout_exchange_by_are_not_sent_to(routing_key: str) -> None:
    with pytest.raises(InvalidMessage, match="'x' is a fanout exchange whose worker has gone") as refused:
        routed((member("celery", "", "bcast.0f5c"), member("", "", "bcast.1f5c")), routing_key)
    assert refused.value.pointer == "/options/exchange"


def test_an_exchange_that_events_are_heard_by_takes_no_tasks_whatever_its_name() -> None:
    tasks, events = read_bindings(
        KEY, [member("", "", "bcast.1f5c"), member("worker.#", "", "celeryev.0f5c")], SEPARATOR
    )
    with pytest.raises(InvalidMessage, match="'x' is an exchange of Celery's own") as refused:
        check_heard((tasks, events), Destination(exchange="x", routing_key="worker.heartbeat"))
    assert refused.value.pointer == "/options/exchange"
    check_heard((tasks,), Destination(exchange="x"))


def test_a_fanout_exchange_that_kombu_would_not_know_by_its_name_takes_no_tasks() -> None:
    with pytest.raises(InvalidMessage, match="to end at the first slash") as refused:
        check_heard((), Destination(exchange="a/b"))
    assert refused.value.pointer == "/options/exchange"


LOGS = (member("", "", "logs"),)
BROADCAST = (member("", "", "bcast.0f5c"),)


@pytest.mark.parametrize(
    ("members", "is_heard", "kind"),
    [
        *[((), False, kind) for kind in ("direct", "topic", "fanout")],
        (DIRECT, False, "direct"),
        (TOPIC, False, "topic"),
        (LOGS, True, "fanout"),
        (BROADCAST, False, "fanout"),
        ((), True, "fanout"),
    ],
)
def test_an_exchange_may_be_said_to_be_what_it_is(members: tuple[bytes, ...], is_heard: bool, kind: str) -> None:
    check_kind(read_bindings(KEY, members, SEPARATOR), "x", kind, is_heard=is_heard)


@pytest.mark.parametrize(
    ("members", "is_heard", "kind", "known"),
    [
        (DIRECT, False, "topic", "direct"),
        (DIRECT, False, "fanout", "direct"),
        (TOPIC, False, "direct", "topic"),
        (TOPIC, False, "fanout", "topic"),
        (LOGS, True, "direct", "fanout"),
        (BROADCAST, False, "direct", "fanout"),
        ((), True, "direct", "fanout"),
        (DIRECT + TOPIC, False, "topic", "direct and topic"),
        (TOPIC, True, "topic", "fanout and topic"),
    ],
)
def test_an_exchange_may_not_be_said_to_be_what_it_is_not(
    members: tuple[bytes, ...], is_heard: bool, kind: str, known: str
) -> None:
    with pytest.raises(InvalidMessage, match=f"'x' is a {known} exchange") as refused:
        check_kind(read_bindings(KEY, members, SEPARATOR), "x", kind, is_heard=is_heard)
    assert refused.value.pointer == "/exchange_type"


def test_a_fanout_exchange_that_nobody_listens_to_is_taken_for_a_direct_one() -> None:
    with pytest.raises(InvalidMessage, match="'x' is a direct exchange"):
        check_kind(read_bindings(KEY, LOGS, SEPARATOR), "x", "fanout", is_heard=False)


def test_a_queue_that_is_bound_twice_gets_the_task_once() -> None:
    assert routed((member("a.#", r"^a\..*?$", "all"), member("a.b", r"^a\.b$", "all")), "a.b") == "all"


def test_the_separator_is_that_of_the_installation() -> None:
    bindings = read_bindings(KEY, [member("red", "", "paint", "|")], "|")
    assert queue_for(bindings, Destination(exchange="x", routing_key="red")) == "paint"


NO_PATTERNS = ("(", "a{99999999999}", "(" * 2_000 + ")" * 2_000)


@pytest.mark.parametrize("odd", [b"red", b"\xff", member("a", "", "q") + SEPARATOR.encode()])
def test_a_member_that_kombu_would_not_write_is_refused_by_its_key(odd: bytes) -> None:
    with pytest.raises(UnreadableBytes, match=r"^_kombu.binding.x has a member .*PETIOLE_BROKER_SEP"):
        read_bindings(KEY, [odd], SEPARATOR)


@pytest.mark.parametrize("pattern", NO_PATTERNS, ids=["open", "counts too far", "too deep"])
def test_a_pattern_that_is_none_is_refused_by_its_key(pattern: str) -> None:
    with pytest.raises(UnreadableBytes, match=r"^_kombu.binding.x has a member "):
        read_bindings(KEY, [member("a", pattern, "q")], SEPARATOR)


@pytest.mark.parametrize(
    ("exchange", "routing_key", "pointer"),
    [
        *[(own, "worker.heartbeat", "/options/exchange") for own in ("celeryev", "celery.pidbox", "celeryev/worker.x")],
        ("", "k", "/options/exchange"),
        ("two words", "k", "/options/exchange"),
        ("x", "a b", "/options/routing_key"),
    ],
)
def test_names_that_cannot_be_are_refused_by_their_pointer(exchange: str, routing_key: str, pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        Destination(exchange=exchange, routing_key=routing_key)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(("kind", "named"), [("zset", "a sorted set"), ("string", "a string")])
def test_a_table_of_another_layout_is_named_with_what_follows(kind: str, named: str) -> None:
    said = other_layout("_kombu.binding.logs", kind, "So do this.")
    assert said.startswith(f"_kombu.binding.logs is {named}, and Kombu keeps bindings in a set: ")
    assert said.endswith(" So do this.")
