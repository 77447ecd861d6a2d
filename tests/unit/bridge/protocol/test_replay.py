"""A stored task message becomes that of a new task."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.encoding import EncodedTask, encode
from bridge.protocol.envelope import seal_task
from bridge.protocol.message import TaskMessage
from bridge.protocol.replay import again
from bridge.protocol.route import Route

THEN, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ROUTE = Route(queue="mail")


def sealed(encoded: EncodedTask) -> bytes:
    template, values = seal_task(encoded, ROUTE, reply_to="oid", expires_ms=None)
    return template.filled(encoded.message.task_id, "tag", values).encode()


def stored(**fields: Any) -> bytes:
    told = {
        "task": "mail.send",
        "task_id": "old",
        "args": (1, "ü"),
        "kwargs": {"x": THEN},
        "origin": "gen1@a",
        **fields,
    }
    return sealed(encode(TaskMessage(**told)))


def asked(**fields: Any) -> TaskMessage:
    return TaskMessage(task="any", task_id="new", origin="gen2@b", **fields)


def headers(encoded: EncodedTask) -> dict[str, Any]:
    return dict(json.loads(encoded.headers))


def test_a_replay_has_the_same_body_byte_by_byte_and_the_headers_of_a_new_submit() -> None:
    first = {"root_id": "r", "parent_id": "p", "retries": 2, "eta": THEN, "expires": LATER, "headers": {"trace": "t"}}
    payload = stored(**first, shadow="shown", stamps={"tenant": "acme"}, stamped_headers=["tenant"])
    encoded = again(payload, asked(), {})
    fresh = encode(
        TaskMessage(
            task="mail.send",
            task_id="new",
            args=(1, "ü"),
            kwargs={"x": THEN},
            origin="gen2@b",
            headers={"trace": "t"},
            shadow="shown",
            stamps={"tenant": "acme"},
            stamped_headers=["tenant"],
        )
    )
    assert encoded.headers == fresh.headers
    assert (encoded.body, encoded.content) == (fresh.body, fresh.content)
    assert json.loads(f"{{{encoded.announced}}}") == json.loads(f"{{{fresh.announced}}}")
    assert json.loads(sealed(encoded)) == json.loads(sealed(fresh))
    assert json.loads(sealed(encoded))["body"] == json.loads(payload)["body"]


def test_a_limit_stays_until_another_is_given() -> None:
    payload = stored(time_limit=60, soft_time_limit=50)
    assert headers(again(payload, asked(), {}))["timelimit"] == [60, 50]
    assert headers(again(payload, asked(time_limit=70), {}))["timelimit"] == [70, 50]
    with pytest.raises(InvalidMessage, match="must not be longer"):
        again(payload, asked(time_limit=40), {})


def test_a_new_time_is_taken() -> None:
    told = headers(again(stored(eta=THEN), asked(eta=LATER, expires=LATER), {}))
    assert (told["eta"], told["expires"]) == (LATER.isoformat(), LATER.isoformat())


def test_a_task_stays_in_its_group_so_that_a_chord_which_waits_for_it_goes_on() -> None:
    told = headers(again(stored(group_id="g", group_index=3), asked(), {}))
    assert (told["group"], told["group_index"]) == ("g", 3)


def test_new_arguments_stand_in_the_place_of_the_old_and_callbacks_stay() -> None:
    payload = stored(link=[{"task": "then"}])
    encoded = again(payload, asked(), {"kwargs": {"y": 1}})
    args, kwargs, embed = json.loads(encoded.body)
    assert (args, kwargs, embed["callbacks"]) == ([1, "ü"], {"y": 1}, [{"task": "then"}])
    assert (headers(encoded)["argsrepr"], headers(encoded)["kwargsrepr"]) == ("(1, 'ü')", "{'y': 1}")
    changed = again(payload, asked(), {"args": [5]})
    kept = json.loads(changed.body)[1]["x"]
    assert kept == json.loads(b64decode(json.loads(payload)["body"]))[1]["x"]
    assert headers(changed)["argsrepr"] == "(5,)"


@pytest.mark.parametrize("form", [{"compression": "zlib"}, {"serializer": "yaml"}])
def test_arguments_that_are_not_plain_json_can_be_replayed_but_not_changed(form: dict[str, str]) -> None:
    payload = stored(kwargs={}, **form)
    assert again(payload, asked(), {}).body == b64decode(json.loads(payload)["body"])
    with pytest.raises(InvalidMessage, match="not plain JSON") as raised:
        again(payload, asked(), {"args": []})
    assert raised.value.pointer == "/args"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"headers": {}, "body": ""}', b'{"headers": 7, "body": "x"}'])
def test_what_is_no_task_message_is_unreadable(payload: bytes) -> None:
    with pytest.raises(UnreadableBytes, match="not a stored task message"):
        again(payload, asked(), {})
