import json
from typing import Any

import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.commands import Command
from bridge.protocol.control import (
    MAX_WORKERS,
    Audience,
    ReplyAddress,
    hears_by,
    processes_of,
    queues_of,
    read_reply,
    seal_command,
)
from bridge.protocol.envelope import open_json
from tests.celery_says import envelope, written_in

PING = Command(method="ping")
TAKE_LONG = ("(.|.)*!", "(a?){30}b", "(?:a+)+b", "(a|a)(?#)*b", "(.|.)" * 6 + "!", ".*" * 6 + "!", r"(\w)+!", "[)](a)*")
QUICK = (r"(?:web|mail)\d+@.*\.example", r"[*+?|]{1,3}@w", r"\*\*\*\+\+\+@", "(?P<name>w|x)?1", "[])+]w")
TICKET = ReplyAddress(ticket="t1")


def test_a_command_is_told_to_every_worker_and_never_expires() -> None:
    data = seal_command(PING, delivery_tag="tag", clock=4)

    assert open_json(data) == {
        "method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None
    }  # fmt: skip
    told = json.loads(data)
    assert told["headers"] == {"clock": 4, "expires": 0}
    assert told["properties"]["delivery_info"] == {"exchange": "celery.pidbox", "routing_key": ""}


def test_a_command_that_is_to_be_replied_to_says_where() -> None:
    body = open_json(seal_command(PING, delivery_tag="tag", reply_to=TICKET))
    assert body["ticket"] == "t1"
    assert body["reply_to"] == {"exchange": "reply.celery.pidbox", "routing_key": "t1"}
    assert TICKET.queue == "t1.reply.celery.pidbox"
    assert TICKET.binding == "t1\x06\x16\x06\x16t1.reply.celery.pidbox"


@pytest.mark.parametrize(
    ("reach", "destination", "pattern", "matcher", "named"),
    [
        ({}, None, None, None, None),
        ({"destination": ("celery@w1", "celery@w1")}, ["celery@w1", "celery@w1"], None, None, 1),
        ({"pattern": "celery@*"}, None, "celery@*", "glob", None),
        ({"pattern": "w[12]$", "matcher": "pcre"}, None, "w[12]$", "pcre", None),
        *[({"pattern": quick, "matcher": "pcre"}, None, quick, "pcre", None) for quick in QUICK],
    ],
)
def test_workers_are_meant_by_their_names_or_by_a_pattern_or_all(
    reach: dict[str, Any], destination: object, pattern: object, matcher: object, named: int | None
) -> None:
    audience = Audience(**reach)
    assert audience.fields() == {"destination": destination, "pattern": pattern, "matcher": matcher}
    assert audience.named == named


@pytest.mark.parametrize(
    ("reach", "pointer"),
    [
        ({"destination": "celery@w1"}, "/destination"),
        *[({"destination": wrong}, "/destination") for wrong in (5, b"w", {"w": "w"}, [5], object())],
        *[({"pattern": wrong}, "/pattern") for wrong in (5, ["a"])],
        *[({"pattern": "a", "matcher": wrong}, "/matcher") for wrong in (5, ["a"])],
        ({"destination": []}, "/destination"),
        ({"destination": ["celery w1"]}, "/destination"),
        ({"destination": ["w"] * (MAX_WORKERS + 1)}, "/destination"),
        ({"pattern": ""}, "/pattern"),
        ({"pattern": "(", "matcher": "pcre"}, "/pattern"),
        ({"pattern": "a{99999999999}", "matcher": "pcre"}, "/pattern"),
        *[({"pattern": long, "matcher": "pcre"}, "/pattern") for long in TAKE_LONG],
        ({"pattern": "a", "matcher": "regex"}, "/matcher"),
        ({"matcher": "glob"}, "/matcher"),
    ],
)
def test_an_audience_that_cannot_be_is_refused(reach: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        Audience(**reach)
    assert refused.value.pointer == pointer


def test_a_reply_is_what_a_worker_says_by_its_name() -> None:
    data = envelope({"w1@example": {"ok": "pong"}}, headers={"ticket": "t1", "clock": 5})
    assert read_reply(data, "t1") == {"w1@example": {"ok": "pong"}}


@pytest.mark.parametrize("name", ["yaml", "msgpack"])
def test_a_reply_is_read_in_whatever_the_worker_writes(name: str) -> None:
    pytest.importorskip(name)
    data = written_in(name, {"w1@example": {"ok": "pong"}}, headers={"ticket": "t1"})
    assert read_reply(data, "t1") == {"w1@example": {"ok": "pong"}}


def test_a_reply_to_another_call_is_none() -> None:
    assert read_reply(envelope({"w1@example": None}, headers={"ticket": "t2"}), "t1") is None


@pytest.mark.parametrize(
    "data",
    [
        b"nothing",
        envelope({"w1@example": None}, headers={}),
        envelope({"w1@example": None}, headers=None),
        envelope(["w1@example"], headers={"ticket": "t1"}),
        envelope({}, headers={"ticket": "t1"}, body="gAR9lC4="),
    ],
    ids=["no envelope", "no ticket", "no headers", "a list", "a pickle"],
)
def test_what_is_no_reply_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableBytes):
        read_reply(data, "t1")


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        ([{"name": "mail", "routing_key": "mail"}, {"no": "name"}, "no queue"], ["mail"]),
        ([], []),
        ({"error": "no"}, None),
        (None, None),
    ],
)
def test_a_worker_tells_the_names_of_its_queues_or_nothing(reply: object, names: list[str] | None) -> None:
    assert queues_of(reply) == names


def queue_of(kind: str) -> dict[str, object]:
    return {"name": "mail", "exchange": {"name": "x", "type": kind}}


@pytest.mark.parametrize(
    ("reply", "exchange"),
    [
        ([5, {"name": "other"}, queue_of("fanout")], "x"),
        ([queue_of("direct")], None),
        ([{"name": "mail"}, {"name": "mail", "exchange": "x"}], None),
        ([], None),
        ({"error": "no"}, None),
    ],
)
def test_a_worker_tells_the_fanout_exchange_that_it_hears_by_a_queue(reply: object, exchange: str | None) -> None:
    assert hears_by(reply, "mail") == exchange


@pytest.mark.parametrize(
    ("reply", "processes"),
    [
        ({"pool": {"max-concurrency": 4, "processes": [7, 8]}}, 2),
        ({"pool": {"max-concurrency": 4}}, 4),
        ({"pool": {"processes": "N/A", "max-concurrency": None}}, None),
        ({"pool": None}, None),
        ({"error": "no"}, None),
        (None, None),
    ],
)
def test_a_worker_tells_how_many_run_tasks_or_nothing(reply: object, processes: int | None) -> None:
    assert processes_of(reply) == processes
