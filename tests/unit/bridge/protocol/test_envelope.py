import json
from base64 import b64encode
from typing import Any

import pytest

from bridge.errors import UnreadableBytes
from bridge.protocol.encoding import encode
from bridge.protocol.envelope import TRANSIENT, open_json, seal_broadcast, seal_task
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from tests import celery_says

ENCODED = encode(TaskMessage(task="tasks.add", task_id="a1", args=[1]))


def sealed(*, expires_ms: int | None = None, route: Route | None = None) -> dict[str, Any]:
    template, values = seal_task(ENCODED, route or Route(queue="celery"), reply_to="oid", expires_ms=expires_ms)
    envelope: dict[str, Any] = json.loads(template.filled("a1", "tag", values))
    return envelope


def test_the_body_comes_out_as_it_went_in() -> None:
    template, values = seal_task(ENCODED, Route(queue="celery"), reply_to="oid", expires_ms=None)
    data = template.filled("a1", "tag", values).encode()
    assert open_json(data) == json.loads(ENCODED.body)


def test_a_task_has_everything_without_which_a_worker_loses_it() -> None:
    envelope = sealed(route=Route(queue="mail", priority=5))

    assert envelope["content-type"] == "application/json"
    assert envelope["properties"] == {
        "correlation_id": "a1",
        "reply_to": "oid",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "mail"},
        "priority": 5,
        "body_encoding": "base64",
        "delivery_tag": "tag",
    }


def test_texts_for_people_are_in_the_properties_as_well() -> None:
    encoded = encode(TaskMessage(task="tasks.add", task_id="a1", argsrepr="(…)", correlation_id="c"))
    template, values = seal_task(encoded, Route(queue="celery"), reply_to="oid", expires_ms=None)
    data = template.filled("a1", "tag", values).encode()

    properties = json.loads(data)["properties"]
    assert list(properties.items())[:3] == [("correlation_id", "c"), ("reply_to", "oid"), ("argsrepr", "(…)")]
    assert "kwargsrepr" not in properties


@pytest.mark.parametrize(("expires_ms", "expiration"), [(1_500, "1500"), (0, "0"), (-20, "0")])
def test_a_task_that_expires_says_when_in_milliseconds(expires_ms: int, expiration: str) -> None:
    assert sealed(expires_ms=expires_ms)["properties"]["expiration"] == expiration


def test_a_broadcast_names_its_exchange() -> None:
    data = seal_broadcast({"a": 1}, {"h": 2}, exchange="x", routing_key="rk", delivery_tag="tag", mode=TRANSIENT)

    envelope = json.loads(data)
    assert envelope["headers"] == {"h": 2}
    assert envelope["properties"]["delivery_info"] == {"exchange": "x", "routing_key": "rk"}
    assert envelope["properties"]["delivery_mode"] == 1
    assert open_json(data) == {"a": 1}


def test_a_body_that_is_not_base64_is_read_as_it_stands() -> None:
    assert open_json(celery_says.envelope(None, body='{"a": 1}', properties={})) == {"a": 1}


@pytest.mark.parametrize("compression", [None, "zlib", "bzip2"])
@pytest.mark.parametrize("name", ["json", "yaml", "msgpack"])
def test_a_body_is_read_in_whatever_it_is_serialized_and_compressed(name: str, compression: str | None) -> None:
    pytest.importorskip({"yaml": "yaml", "msgpack": "msgpack"}.get(name, "json"))
    body = [{"é": [1, 2.5, None]}, "text"]
    assert open_json(celery_says.written_in(name, body, compression)) == body


def test_a_body_that_does_not_say_what_it_is_written_in_is_json() -> None:
    envelope = json.loads(celery_says.envelope({"a": 1}))
    del envelope["content-type"]
    assert open_json(json.dumps(envelope).encode()) == {"a": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content-type": "application/x-python-serialize"}, "it is a pickle, which is never read here"),
        ({"content-type": "text/xml"}, "'text/xml' is not known here"),
        ({"headers": {"compression": "application/x-gzip"}}, "not application/x-gzip data"),
        ({"headers": {"compression": "application/x-own"}}, "'application/x-own' is no compression"),
    ],
)
def test_a_body_that_cannot_be_read_here_says_why(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableBytes, match=reason):
        open_json(celery_says.envelope({}, **changes))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"not json",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b'{"body": "e30="}',
        b'{"body": "{}", "properties": null}',
        b'{"body": 5, "properties": {}}',
        b'{"body": null, "properties": {"body_encoding": "base64"}}',
        b'{"body": "e3", "properties": {"body_encoding": "base64"}}',
        b'{"body": "\\u00e9", "properties": {"body_encoding": "base64"}}',
        b'{"body": "{", "properties": {}}',
        b"[" * 100_000,
        celery_says.envelope(None, body=b64encode(b"[" * 100_000).decode()),
        celery_says.envelope({}, **{"content-type": ["application/json"]}),
        celery_says.envelope({}, headers=["compression"]),
        celery_says.envelope({}, headers={"compression": 5}),
    ],
)
def test_bytes_of_another_shape_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableBytes):
        open_json(data)
