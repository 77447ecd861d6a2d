import json
import math
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.encoding import Pattern, encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route

NAIVE = datetime(2026, 1, 31)


def message(**fields: Any) -> TaskMessage:
    return TaskMessage(**{"task": "tasks.add", "task_id": "a1", **fields})


def headers_of(**fields: Any) -> dict[str, Any]:
    headers: dict[str, Any] = json.loads(encode(message(**fields)).headers)
    return headers


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"task": ""}, "/task"),
        ({"task": None}, "/task"),
        ({"task": ["tasks.add"]}, "/task"),
        ({"task": "two words"}, "/task"),
        ({"task": "celery.group"}, "/task"),
        ({"task_id": "a/b"}, "/options/task_id"),
        ({"args": "text"}, "/args"),
        ({"args": [1, {2}]}, "/args/1"),
        ({"kwargs": {"a": math.nan}}, "/kwargs/a"),
        ({"kwargs": {"a": {"__type__": "x", "__value__": "y"}}}, "/kwargs/a"),
        ({"eta": NAIVE}, "/options/eta"),
        ({"expires": NAIVE}, "/options/expires"),
        ({"time_limit": 0}, "/options/time_limit"),
        ({"time_limit": 1e-09}, "/options/time_limit"),
        ({"time_limit": math.inf}, "/options/time_limit"),
        ({"soft_time_limit": -1}, "/options/soft_time_limit"),
        ({"soft_time_limit": math.nan}, "/options/soft_time_limit"),
        ({"soft_time_limit": 5, "time_limit": 4}, "/options/soft_time_limit"),
        ({"shadow": "two words"}, "/options/shadow"),
        ({"headers": {"retries": 3}}, "/options/headers/retries"),
        ({"headers": {"is_eager": True}}, "/options/headers/is_eager"),
        ({"headers": {"_children": 5}}, "/options/headers/_children"),
        ({"headers": {"x": {"__type__": "y", "__value__": 1}}}, "/options/headers/x"),
        ({"headers": {"x": [datetime(2026, 1, 31)]}}, "/options/headers/x"),
    ],
)
def test_what_would_harm_a_worker_is_refused_by_its_pointer(fields: Mapping[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        message(**fields)
    assert refused.value.pointer == pointer


def test_the_body_is_args_kwargs_and_an_empty_embed() -> None:
    encoded = encode(message(args=(1, "é"), kwargs={"b": 2}))

    nothing = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    assert json.loads(encoded.body) == [[1, "é"], {"b": 2}, nothing]


def test_the_message_says_nothing_about_ignoring_the_result_so_that_the_task_decides() -> None:
    assert headers_of()["ignore_result"] is None


def test_the_hard_time_limit_stands_before_the_soft_one() -> None:
    assert headers_of(time_limit=30, soft_time_limit=20)["timelimit"] == [30, 20]


def test_a_task_is_its_own_root() -> None:
    headers = headers_of(task_id="a1")
    assert (headers["id"], headers["root_id"], headers["parent_id"]) == ("a1", "a1", None)


def test_times_are_sent_with_their_offset() -> None:
    eta = datetime(2026, 1, 31, 12, tzinfo=UTC)
    expires = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))

    headers = headers_of(eta=eta, expires=expires)

    assert (headers["eta"], headers["expires"]) == ("2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00+02:00")


def test_arguments_are_described_for_people_to_read() -> None:
    headers = headers_of(args=[1], kwargs={"a": "b"})
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("[1]", "{'a': 'b'}")


def test_no_arguments_are_described_as_none() -> None:
    headers = headers_of()
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("()", "{}")


def test_a_limit_is_written_as_it_was_given_whatever_the_one_before_was() -> None:
    limits = [headers_of(time_limit=limit)["timelimit"] for limit in (5, 5.0, 5)]
    assert json.dumps(limits) == "[[5, null], [5.0, null], [5, null]]"


def test_nothing_can_be_in_a_message_that_it_has_no_field_for() -> None:
    with pytest.raises(TypeError, match="countdown"):
        message(countdown=5)


def test_a_message_tells_what_it_is_called_with_as_its_caller_has_it() -> None:
    headers = headers_of(args=["secret"], argsrepr="(…)", kwargsrepr="{…}")
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(…)", "{…}")


@pytest.mark.parametrize(
    "fields",
    [
        {"time_limit": 5, "headers": {"x": 1}, "parent_id": "p"},
        {"root_id": "r", "correlation_id": "c"},
        {"argsrepr": "(…)", "compression": "zlib"},
    ],
)
def test_a_message_of_a_pattern_is_written_as_one_that_was_asked_for_in_the_same_way(fields: dict[str, Any]) -> None:
    patterned = Pattern(message(**fields)).message("b2", [3], {"c": 4})

    made = message(**fields, task_id="b2", args=[3], kwargs={"c": 4})
    assert patterned == made
    one, other = encode(patterned), encode(made)
    assert (one.headers, *one[3:]) == (other.headers, *other[3:])
    route, ways = Route(queue="mail", priority=3), ({"expires_ms": None}, {"expires_ms": 5})
    for way in ways:
        (template, values), (plain, others) = (seal_task(which, route, reply_to="oid", **way) for which in (one, other))
        text = template.filled("b2", "tag", values)
        assert text == plain.filled("b2", "tag", others)
        assert len(text) == template.size("b2", "tag", values) == plain.size("b2", "tag", others)


def test_what_messages_of_a_pattern_have_in_common_is_one_template() -> None:
    pattern, route = Pattern(message()), Route(queue="mail")
    one, other = (
        seal_task(encode(pattern.message(task_id, [task_id], {})), route, reply_to="oid", expires_ms=None)[0]
        for task_id in ("a", "b")
    )
    assert one is other
    assert one.gaps == "VIIVVIT"


@pytest.mark.parametrize(
    ("args", "kwargs", "pointer"), [("text", {}, "/args"), ([], "text", "/kwargs"), ([], {"a": math.nan}, "/kwargs/a")]
)
def test_the_arguments_of_a_message_of_a_pattern_are_checked(args: Any, kwargs: Any, pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        Pattern(message()).message("b2", args, kwargs)
    assert refused.value.pointer == pointer


def test_headers_of_ones_own_stand_behind_celerys() -> None:
    assert list(headers_of(headers={"x-a": 1, "b": None}))[-3:] == ["stamps", "x-a", "b"]


def test_what_is_embedded_is_in_the_body() -> None:
    encoded = encode(message(link=[{"task": "a"}], chord={"task": "b"}))
    embed = json.loads(encoded.body)[2]
    assert embed == {"callbacks": [{"task": "a"}], "errbacks": None, "chain": None, "chord": {"task": "b"}}


def test_a_compressed_body_is_named_in_the_last_header() -> None:
    encoded = encode(message(args=["x" * 1_000], headers={"a": 1}, compression="zlib"))

    assert json.loads(zlib.decompress(encoded.body))[0] == ["x" * 1_000]
    assert list(json.loads(encoded.headers).items())[-2:] == [("a", 1), ("compression", "application/x-gzip")]


def test_another_serializer_is_named_in_the_envelope() -> None:
    msgpack = pytest.importorskip("msgpack")
    encoded = encode(message(args=[b"\xff"], serializer="msgpack"))

    assert msgpack.unpackb(encoded.body)[0] == [b"\xff"]
    assert encoded.content == '"content-encoding": "binary", "content-type": "application/x-msgpack"'


def test_what_a_serializer_cannot_write_is_refused() -> None:
    pytest.importorskip("msgpack")
    with pytest.raises(InvalidMessage, match="msgpack cannot write") as refused:
        encode(message(args=[2**70], serializer="msgpack"))
    assert refused.value.pointer == "/options/serializer"
