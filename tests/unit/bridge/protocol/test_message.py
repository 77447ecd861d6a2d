import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bridge.errors import InvalidMessage
from bridge.protocol.message import NO_EMBED, TaskMessage, encode

NAIVE = datetime(2026, 1, 31)


def message(**fields: Any) -> TaskMessage:
    return TaskMessage(**{"task": "tasks.add", "task_id": "a1", **fields})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"task": ""}, "/task"),
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
        ({"time_limit": math.inf}, "/options/time_limit"),
        ({"soft_time_limit": -1}, "/options/soft_time_limit"),
        ({"soft_time_limit": math.nan}, "/options/soft_time_limit"),
        ({"soft_time_limit": 5, "time_limit": 4}, "/options/soft_time_limit"),
    ],
)
def test_what_would_harm_a_worker_is_refused_by_its_pointer(fields: Mapping[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        message(**fields)
    assert refused.value.pointer == pointer


def test_the_body_is_args_kwargs_and_an_empty_embed() -> None:
    encoded = encode(message(args=(1, "é"), kwargs={"b": 2}))

    assert json.loads(encoded.body) == [[1, "é"], {"b": 2}, NO_EMBED]


def test_the_message_says_nothing_about_ignoring_the_result_so_that_the_task_decides() -> None:
    assert encode(message()).headers["ignore_result"] is None


def test_the_hard_time_limit_stands_before_the_soft_one() -> None:
    assert encode(message(time_limit=30, soft_time_limit=20)).headers["timelimit"] == [30, 20]


def test_a_task_is_its_own_root() -> None:
    headers = encode(message(task_id="a1")).headers
    assert (headers["id"], headers["root_id"], headers["parent_id"]) == ("a1", "a1", None)


def test_times_are_sent_with_their_offset() -> None:
    eta = datetime(2026, 1, 31, 12, tzinfo=UTC)
    expires = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))

    headers = encode(message(eta=eta, expires=expires)).headers

    assert (headers["eta"], headers["expires"]) == ("2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00+02:00")


def test_arguments_are_described_for_people_to_read() -> None:
    headers = encode(message(args=[1], kwargs={"a": "b"})).headers
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("[1]", "{'a': 'b'}")
