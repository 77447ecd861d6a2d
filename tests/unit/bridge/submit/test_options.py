import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.errors import InvalidMessage, NotACall
from bridge.protocol.canvas import chord, group, signature
from bridge.protocol.message import TaskMessage
from bridge.submit.call import Call, SubmitOptions, call_of
from bridge.submit.options import DEFAULTS, Options

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
add = signature("tasks.add", (1,))


def message(**options: Any) -> TaskMessage:
    return Options.of(options).message(Call("tasks.add", [1]), task_id="a1", origin="gen1@example", now=lambda: NOW)


def test_what_is_not_given_has_its_default() -> None:
    assert Options.of({"queue": None, "retries": None}) == DEFAULTS == Options()
    assert message() == TaskMessage(task="tasks.add", task_id="a1", args=[1], origin="gen1@example")


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"queue": 5}, "/queue"),
        ({"priority": "5"}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"countdown": "5"}, "/countdown"),
        ({"countdown": -1}, "/countdown"),
        ({"countdown": math.nan}, "/countdown"),
        ({"countdown": 1, "eta": NOW}, "/countdown"),
        ({"eta": "2026-01-31T12:00:00Z"}, "/eta"),
        ({"eta": datetime(2026, 1, 31)}, "/eta"),
        ({"expires": "soon"}, "/expires"),
        ({"expires": math.inf}, "/expires"),
        ({"time_limit": True}, "/time_limit"),
        ({"task_id": 5}, "/task_id"),
        ({"task_id": "a/b"}, "/task_id"),
        ({"serializer": 5}, "/serializer"),
        ({"serializer": "pickle"}, "/serializer"),
        ({"compression": "zip"}, "/compression"),
        ({"ignore_result": 1}, "/ignore_result"),
        ({"shadow": 5}, "/shadow"),
        ({"headers": [1]}, "/headers"),
        ({"headers": {"id": "b"}}, "/headers/id"),
        ({"stamps": ["a"]}, "/stamps"),
        ({"stamps": {"queue": "mail"}}, "/stamps/queue"),
        ({"stamps": {"link": "b"}}, "/stamps/link"),
        ({"stamps": {"task": "b"}}, "/stamps/task"),
        ({"stamps": {"two words": "b"}}, "/stamps/two words"),
        ({"stamps": {"a": {"b": 1}}}, "/stamps/a"),
        ({"stamps": {"a": NOW}}, "/stamps/a"),
        ({"stamps": {"a": None}}, "/stamps/a"),
        ({"stamps": {5: "b"}}, "/stamps"),
        ({"stamps": {"a": 1}, "stamped_headers": ["b"]}, "/stamped_headers"),
        ({"stamps": {"a": 1}, "stamped_headers": ["a", "a"]}, "/stamped_headers"),
        ({"stamped_headers": ["a"]}, "/stamped_headers"),
        ({"stamped_headers": "a"}, "/stamped_headers"),
        ({"link": "tasks.add"}, "/link"),
        ({"link": [add, {"task": "tasks.add"}]}, "/link/1"),
        ({"link": signature("celery.group")}, "/link/0/task"),
        ({"link_error": [add, signature("tasks.add", (), {}, {"queue": 5})]}, "/link_error/1/options/queue"),
        ({"link": chord([add], group())}, "/link/0/body"),
        ({"chord": [add]}, "/chord"),
        ({"chord": signature("celery.map")}, "/chord/kwargs/task"),
        ({"root_id": "a/b"}, "/root_id"),
        ({"parent_id": 5}, "/parent_id"),
        ({"group_id": ""}, "/group_id"),
        ({"group_index": -1}, "/group_index"),
        ({"group_index": 1.0}, "/group_index"),
        ({"group_index": 10**400}, "/group_index"),
        ({"retries": True}, "/retries"),
        ({"retries": 10**6}, "/retries"),
        ({"reply_to": "\ud800"}, "/reply_to"),
        ({"correlation_id": ""}, "/correlation_id"),
        ({"argsrepr": "\ud800"}, "/argsrepr"),
        ({"kwargsrepr": {}}, "/kwargsrepr"),
        ({"tags": "user"}, "/tags"),
        ({"tags": ["a", ""]}, "/tags/1"),
        ({"tags": [5]}, "/tags/0"),
        ({"tags": ["a\n"]}, "/tags/0"),
        ({"tags": ["a"] * 33}, "/tags"),
        ({"record": "no"}, "/record"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_its_pointer(options: Mapping[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        message(**options)
    assert refused.value.pointer == f"/options{pointer}"


def test_an_option_that_there_is_not_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="no option 'retry'; there are queue, "):
        message(retry=True)
    with pytest.raises(InvalidMessage) as refused:
        message(retry=True)
    assert refused.value.pointer == "/options/retry"


@pytest.mark.parametrize(
    ("options", "eta"),
    [({"countdown": 5}, NOW + timedelta(seconds=5)), ({"countdown": 0}, None), ({"eta": NOW}, NOW), ({}, None)],
)
def test_a_task_runs_so_long_from_now_or_at_its_time(options: Mapping[str, Any], eta: datetime | None) -> None:
    assert message(**options).eta == eta


def test_stamps_are_in_their_order_or_in_that_of_the_headers() -> None:
    given = message(stamps={"b": 1, "a": 2})
    assert given.stamped_headers == ["b", "a"]
    ordered = message(stamps={"b": 1, "a": 2}, stamped_headers=["a", "b"])
    assert (ordered.stamped_headers, list(ordered.stamps)) == (["a", "b"], ["a", "b"])


def test_no_arguments_are_none() -> None:
    made = DEFAULTS.message(Call("tasks.add", None, None), task_id="a1", origin="", now=lambda: NOW)
    assert (made.args, made.kwargs) == ((), {})


def test_one_callback_is_a_list_of_one() -> None:
    made = message(link=add, link_error=[add, add])
    assert made.link is not None
    assert made.link_error is not None
    assert (len(made.link), len(made.link_error), made.chord) == (1, 2, None)


def test_the_body_of_a_chord_is_written_as_a_signature() -> None:
    made = message(chord=add, group_id="g")
    assert made.chord is not None
    assert (made.chord["task"], made.chord["args"], made.link) == ("tasks.add", (1,), None)


def test_a_call_is_a_tuple_of_its_parts_or_a_signature() -> None:
    mail = Call("tasks.add", (1,), {}, SubmitOptions(queue="mail"))
    assert (
        call_of(("tasks.add", (1,), {}, {"queue": "mail"})) == call_of(add.set(queue="mail")) == call_of(mail) == mail
    )
    tagged = signature("tasks.add", (1,), tags=["x"], queue="mail")
    assert call_of(tagged).options == {"queue": "mail", "tags": ("x",)}


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ("tasks.add", ""),
        (group(add), ""),
        ((), ""),
        (("tasks.add", (), {}, {}, 5), ""),
        (("tasks.add", (), {}, ["queue"]), "/options"),
    ],
)
def test_what_is_no_call_is_refused_as_a_message_is(asked: Any, pointer: str) -> None:
    with pytest.raises(NotACall) as refused:
        call_of(asked)
    assert refused.value.pointer == pointer


def test_a_signature_brings_its_callbacks_and_stamps() -> None:
    call = call_of(add.stamp(tenant="acme").link(add))
    made = Options.of(call.options)
    assert (made.stamps, made.stamped_headers) == ({"tenant": "acme"}, ("tenant",))
    assert made.link == (add,)


def test_what_is_written_of_tasks_without_options_is_made_once() -> None:
    one, other = (
        DEFAULTS.message(Call("tasks.add", [value]), task_id=str(value), origin="", now=lambda: NOW) for value in (1, 2)
    )
    assert one.form is other.form
    assert message(time_limit=5).form is None


def test_options_that_are_not_of_the_message_do_not_change_it() -> None:
    assert message(queue="mail", priority=3, tags=["a"], record=False) == message()


def test_options_change_and_what_is_none_is_as_if_it_had_not_been_given() -> None:
    options = Options.of({"exchange": "x", "compression": "gzip", "tags": ["t"]})
    changed = options.changed(queue="mail", exchange=None)
    assert changed == Options.of({"queue": "mail", "compression": "gzip", "tags": ["t"]})
    assert vars(changed).keys() == {"queue", "compression", "tags"}
    assert vars(options).keys() == {"exchange", "compression", "tags"}
