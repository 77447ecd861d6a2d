from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol import commands
from bridge.protocol.commands import MAX_IDS, MAX_PROCESSES, MAX_STAMPS, SIGNALS, Command

TERM: dict[str, Any] = {"terminate": True, "signal": "SIGTERM"}
TOPIC = {"exchange_type": "topic"}
FANOUT = {"exchange_type": "fanout"}
OWN = ("celeryev", "celery.pidbox", "reply.celery.pidbox", "shop.pidbox", "celeryev/worker.heartbeat")
NO_CHANNELS = ("*", "cel*", "c?leryev", "[c]eleryev", "a/b", "a\\b")
CONSUMER: dict[str, Any] = {"exchange": None, "exchange_type": "direct", "routing_key": None}


NO_TEXTS: tuple[Any, ...] = (5, None, True, b"a1", {"a": "b"}, [5], object())
NO_RATES: tuple[Any, ...] = (10**400, 10**5_000, 10**9 + 1, 1e308, 1e-320, [1], True, b"1/s", {})
NO_SECONDS: tuple[Any, ...] = ("5", True, [1], 10**5_000)
WRONG_TYPES: list[tuple[str, Callable[[Any], Command], tuple[Any, ...]]] = [
    ("/task_id", lambda wrong: commands.revoke(wrong, **TERM), NO_TEXTS),
    ("/signal", lambda wrong: commands.revoke("a1", terminate=True, signal=wrong), (["x"], 9, None)),
    ("/headers", lambda wrong: commands.revoke_by_stamped_headers(wrong, **TERM), (5, None, ["a"], "a", {5: "a"})),
    ("/headers/a", lambda wrong: commands.revoke_by_stamped_headers({"a": wrong}, **TERM), NO_TEXTS),
    ("/ids", lambda wrong: commands.query_task((wrong,)), (5, None, ["a1"])),
    ("/taskinfoitems", lambda wrong: commands.registered((wrong,)), (5, None, ["a1"])),
    ("/safe", commands.active, (object(), 10**5_000, "yes", 1)),
    ("/task_name", lambda wrong: commands.rate_limit(wrong, 1), (5, None, ["a"])),
    ("/task_name", lambda wrong: commands.time_limit(wrong, soft=1, hard=1), (5, None, ["a"])),
    ("/soft", lambda wrong: commands.time_limit("tasks.add", soft=wrong, hard=None), NO_SECONDS),
    ("/hard", lambda wrong: commands.time_limit("tasks.add", soft=None, hard=wrong), NO_SECONDS),
    ("/n", commands.pool_grow, ("1", None, 10**5_000)),
    ("/max", lambda wrong: commands.autoscale(wrong, 1), ("1", None, 1.5)),
    ("/modules", lambda wrong: commands.pool_restart(wrong, reload=True), (5, "tests", {"a": "b"}, [5])),
    ("/queue", commands.cancel_consumer, (5, None, ["a"])),
    ("/exchange", lambda wrong: commands.add_consumer("q", **CONSUMER | {"exchange": wrong}), (5, ["a"])),
    ("/exchange_type", lambda wrong: commands.add_consumer("q", **CONSUMER | {"exchange_type": wrong}), (5, ["a"])),
    ("/routing_key", lambda wrong: commands.add_consumer("q", **CONSUMER | {"routing_key": wrong}), (5, ["a"])),
]
"""An argument, a call with it, and what it may not be."""


def test_one_id_is_revoked_as_a_text_and_several_as_a_list() -> None:
    assert commands.revoke("a1", **TERM).arguments == {"task_id": "a1", **TERM}
    assert commands.revoke(("a1", "a2"), **TERM).arguments == {"task_id": ["a1", "a2"], **TERM}


def test_stamps_are_texts_or_lists_of_texts() -> None:
    command = commands.revoke_by_stamped_headers({"tenant": "acme", "user": ("1", "2")}, **TERM)
    assert command.method == "revoke_by_stamped_headers"
    assert command.arguments == {"headers": {"tenant": "acme", "user": ["1", "2"]}, **TERM}


def test_a_signal_that_every_worker_knows_may_end_a_task() -> None:
    assert {"SIGTERM", "SIGKILL", "SIGINT", "SIGUSR1"} <= SIGNALS
    assert commands.revoke("a1", terminate=True, signal="SIGKILL").arguments["signal"] == "SIGKILL"


@pytest.mark.parametrize(
    "rate", ["10/s", "100/m", "5/h", "0.5/s", "7", 7, 0.5, 0, 0.0, None, 1e-9, 10**9, "999999999/s"]
)
def test_a_rate_is_a_number_a_second_or_a_text_with_its_unit(rate: Any) -> None:
    assert commands.rate_limit("tasks.add", rate).arguments == {"task_name": "tasks.add", "rate_limit": rate}


def test_either_time_limit_may_be_left_out() -> None:
    for soft, hard in ((1.5, 2), (None, 2), (2, None), (None, None), (2, 2)):
        limits = {"task_name": "tasks.add", "hard": hard, "soft": soft}
        assert commands.time_limit("tasks.add", soft=soft, hard=hard).arguments == limits


def test_a_pool_is_restarted_with_all_modules_or_with_some() -> None:
    assert commands.pool_restart(None, reload=False).arguments == {"modules": None, "reload": False, "reloader": None}
    assert commands.pool_restart(("a.b",), reload=True).arguments["modules"] == ["a.b"]


def test_a_command_has_celerys_names() -> None:
    assert commands.query_task(("a1", "a2")) == Command(method="query_task", arguments={"ids": ["a1", "a2"]})
    assert commands.active(True) == Command(method="active", arguments={"safe": True})
    assert commands.registered(()) == Command(method="registered", arguments={"taskinfoitems": []})
    assert commands.pool_grow(2) == Command(method="pool_grow", arguments={"n": 2})
    assert commands.pool_shrink(1) == Command(method="pool_shrink", arguments={"n": 1})
    assert commands.autoscale(4, 0) == Command(method="autoscale", arguments={"max": 4, "min": 0})
    assert commands.cancel_consumer("mail") == Command(method="cancel_consumer", arguments={"queue": "mail"})


def test_a_queue_may_be_bound_to_an_exchange_of_another_name() -> None:
    command = commands.add_consumer("logs", exchange="topics", exchange_type="topic", routing_key="log.#")
    assert list(command.arguments.items()) == [
        ("queue", "logs"), ("exchange", "topics"), ("exchange_type", "topic"), ("routing_key", "log.#")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "make"),
    [
        ("/task_id", lambda: commands.revoke("", **TERM)),
        ("/task_id", lambda: commands.revoke([], **TERM)),
        ("/task_id", lambda: commands.revoke(["a1", "a b"], **TERM)),
        ("/task_id", lambda: commands.revoke(["a"] * (MAX_IDS + 1), **TERM)),
        *[
            ("/signal", lambda signal=signal: commands.revoke("a1", terminate=True, signal=signal))
            for signal in ("", "9", "TERM", "SIG", "sigterm", "SIGTERM\n", "SIGKIL", "SIG_IGN")
        ],
        ("/headers", lambda: commands.revoke_by_stamped_headers({}, **TERM)),
        ("/headers", lambda: commands.revoke_by_stamped_headers({"a b": "c"}, **TERM)),
        ("/headers", lambda: commands.revoke_by_stamped_headers({"__type__": "a", "__value__": "b"}, **TERM)),
        ("/headers", lambda: commands.revoke_by_stamped_headers(dict.fromkeys(map(str, range(1_001)), "c"), **TERM)),
        ("/headers/tenant", lambda: commands.revoke_by_stamped_headers({"tenant": []}, **TERM)),
        ("/headers/tenant", lambda: commands.revoke_by_stamped_headers({"tenant": ["a"] * (MAX_STAMPS + 1)}, **TERM)),
        ("/headers/tenant", lambda: commands.revoke_by_stamped_headers({"tenant": [["a"]]}, **TERM)),  # type: ignore[list-item]  # what is tested
        ("/headers/tenant", lambda: commands.revoke_by_stamped_headers({"tenant": "\ud800"}, **TERM)),
        ("/ids", lambda: commands.query_task([])),
        ("/ids", lambda: commands.query_task(["a/b"])),
        ("/taskinfoitems", lambda: commands.registered(["a b"])),
        ("/task_name", lambda: commands.rate_limit("", 1)),
        *[
            ("/rate_limit", lambda rate=rate: commands.rate_limit("tasks.add", rate))
            for rate in ("", "10/d", "fast", "1e9/s", "-1/s", " 1/s", -1, float("inf"), float("nan"))
        ],
        *[("/rate_limit", lambda rate=rate: commands.rate_limit("tasks.add", rate)) for rate in NO_RATES],
        ("/task_name", lambda: commands.time_limit("a b", soft=1, hard=1)),
        ("/soft", lambda: commands.time_limit("tasks.add", soft=0, hard=None)),
        ("/soft", lambda: commands.time_limit("tasks.add", soft=3, hard=2)),
        ("/hard", lambda: commands.time_limit("tasks.add", soft=None, hard=float("nan"))),
        ("/hard", lambda: commands.time_limit("tasks.add", soft=None, hard=1e-9)),
        ("/n", lambda: commands.pool_grow(0)),
        ("/n", lambda: commands.pool_grow(True)),
        ("/n", lambda: commands.pool_shrink(MAX_PROCESSES + 1)),
        ("/n", lambda: commands.pool_shrink(1.5)),  # type: ignore[arg-type]  # what is tested
        ("/max", lambda: commands.autoscale(0, 0)),
        ("/min", lambda: commands.autoscale(3, -1)),
        ("/min", lambda: commands.autoscale(3, 4)),
        ("/modules", lambda: commands.pool_restart(["os system"], reload=True)),
        ("/queue", lambda: commands.add_consumer("", **CONSUMER)),
        ("/queue", lambda: commands.add_consumer("unacked", **CONSUMER)),
        ("/exchange", lambda: commands.add_consumer("mail", **{**CONSUMER, "exchange": "a b"})),
        ("/exchange_type", lambda: commands.add_consumer("mail", **{**CONSUMER, "exchange_type": "headers"})),
        ("/routing_key", lambda: commands.add_consumer("mail", **{**CONSUMER, "routing_key": "\x06\x16"})),
        *[
            ("/routing_key", lambda key=key: commands.add_consumer("q", **CONSUMER | TOPIC | {"routing_key": key}))
            for key in ("(", "a..b", "**", "*a", "a.", "+", "a[")
        ],
        ("/routing_key", lambda: commands.add_consumer("a+", **CONSUMER | TOPIC)),
        *[("/queue", lambda own=own: commands.add_consumer(own, **CONSUMER)) for own in OWN],
        *[("/exchange", lambda own=own: commands.add_consumer("q", **CONSUMER | {"exchange": own})) for own in OWN],
        *[
            ("/exchange", lambda odd=odd: commands.add_consumer("q", **CONSUMER | FANOUT | {"exchange": odd}))
            for odd in NO_CHANNELS
        ],
        *[("/queue", lambda odd=odd: commands.add_consumer(odd, **CONSUMER | FANOUT)) for odd in NO_CHANNELS],
        ("/queue", lambda: commands.cancel_consumer("_kombu.binding.celery")),
        ("/queue", lambda: commands.cancel_consumer("w1@example.celery.pidbox")),
        *[
            (pointer, lambda make=make, wrong=wrong: make(wrong))
            for pointer, make, wrongs in WRONG_TYPES
            for wrong in wrongs
        ],
    ],
)
def test_what_no_worker_can_use_is_refused_by_its_name(pointer: str, make: Callable[[], Command]) -> None:
    with pytest.raises(InvalidMessage) as refused:
        make()
    assert refused.value.pointer == pointer
