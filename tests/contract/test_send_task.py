"""The bytes of a submit and of an event are those that the installed Celery sends for the same call."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange
from kombu.serialization import dumps
from kombu.utils.uuid import uuid

from bridge.protocol.encoding import encode
from bridge.protocol.envelope import open_json, seal_task
from bridge.protocol.events import Sender, read_events, seal_task_sent, task_sent
from bridge.protocol.keys import BrokerKeys
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.redis import Redis
from bridge.settings import BridgeSettings

LATER = datetime(2030, 1, 31, 12, 30, 15, 123_456, tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))
CALLS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a list of arguments": {"args": [1, 2.5, "three", None, True]},
    "a tuple of arguments": {"args": (1, 2)},
    "keyword arguments": {"kwargs": {"b": 1, "a": [2, {"c": None}]}},
    "letters of all kinds": {"args": ["é 😀 \u200b\x00\x7f", "it's", 'a "b"', "\\"], "kwargs": {"größe": "ß"}},
    "large numbers": {"args": [10**40, -(2**63), 1e300, -0.0, 1e-7]},
    "deep nesting": {"args": [[[[[["deep"]]]]]], "kwargs": {"a": {"b": {"c": {"d": 1}}}}},
    "a long text": {"args": ["x" * 1_000]},  # cut ones are compared in test_saferepr
    "an id": {"task_id": "user:42"},
    "a queue": {"queue": "mail"},
    "the last priority": {"priority": 9},
    "a priority in the middle": {"priority": 5, "queue": "mail"},
    "an eta": {"eta": LATER},
    "an eta of another zone": {"eta": LATER.astimezone(EAST)},
    "a deadline": {"expires": LATER},
    "a deadline that has passed": {"expires": datetime(2026, 1, 1, tzinfo=UTC)},
    "limits": {"time_limit": 30, "soft_time_limit": 20.5},
    "everything": {
        "args": [1],
        "kwargs": {"a": 2},
        "queue": "mail",
        "priority": 3,
        "eta": LATER,
        "expires": LATER,
        "time_limit": 3,
        "soft_time_limit": 2,
    },
}
OLDER = ('"ignore_result": false', '"ignore_result": null')
"""Celery before 5.7 says false for a task of which it knows the name alone, over the head of the task itself."""


@pytest.fixture
def app(shared_url: str) -> Iterator[Celery]:
    """Celery as a producer that knows tasks by their names only."""
    with Celery("producer", broker=shared_url, backend=shared_url, set_as_current=False) as made:
        yield made


@pytest.fixture
async def redis(shared_url: str) -> AsyncIterator[Redis]:
    settings = BridgeSettings.load(redis_url=shared_url)
    async with Redis.open(shared_url, settings) as gateway:
        await gateway.execute("FLUSHALL")
        yield gateway


def message_of(call: dict[str, Any], **more: Any) -> TaskMessage:
    fields = {name: value for name, value in call.items() if name not in {"queue", "priority"}}
    return TaskMessage(**{"task": "tasks.add", **fields, **more})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_submit_is_to_the_letter_what_celery_sends(app: Celery, redis: Redis, call: dict[str, Any]) -> None:
    route = Route(queue=call.get("queue", "celery"), priority=call.get("priority", 0))
    app.send_task("tasks.add", **{"task_id": uuid(), **call})
    celerys = (await redis.execute("RPOP", BrokerKeys().list_of(route.queue, route.priority))).decode().replace(*OLDER)

    sent = json.loads(celerys)
    headers, properties = sent["headers"], sent["properties"]
    message = message_of(call, task_id=headers["id"], origin=headers["origin"])
    template, values = seal_task(
        encode(message),
        route,
        reply_to=properties["reply_to"],
        expires_ms=int(properties["expiration"]) if "expiration" in properties else None,
    )
    ours = template.filled(headers["id"], properties["delivery_tag"], values)

    assert b64decode(json.loads(ours)["body"]) == b64decode(sent["body"])
    assert ours == celerys
    if expires := call.get("expires"):
        left_ms = max((expires - datetime.now(UTC)).total_seconds() * 1_000, 0)
        assert int(properties["expiration"]) == pytest.approx(left_ms, abs=5_000)


async def test_the_announcement_of_a_task_is_to_the_letter_what_celery_sends(app: Celery, redis: Redis) -> None:
    app.conf.task_send_sent_event = True
    async with published(redis, "/0.celeryev/task.sent") as messages:
        app.send_task("tasks.add", [1], {"a": 2}, task_id="a1", queue="mail", eta=LATER)
        celerys = (await anext(messages)).data

    (event,) = read_events(celerys)
    sender = Sender(hostname=event["hostname"], pid=event["pid"], utc_offset=event["utcoffset"])
    encoded = encode(TaskMessage(task="tasks.add", task_id="a1", args=[1], kwargs={"a": 2}, eta=LATER))
    sent = task_sent(encoded, Route(queue="mail"), sender, clock=event["clock"], timestamp=event["timestamp"])
    _, ours = seal_task_sent([sent], sender, delivery_tag=json.loads(celerys)["properties"]["delivery_tag"])
    assert json.dumps(open_json(ours)) == json.dumps(open_json(celerys))
    assert ours == celerys


async def test_a_task_for_a_fanout_exchange_is_to_the_letter_what_celery_sends(app: Celery, redis: Redis) -> None:
    """Celery has to be told what kind of exchange it is, or takes it for a direct one."""
    app.conf.task_send_sent_event = True
    to_all: dict[str, Any] = {
        "exchange": "everybody",
        "routing_key": "red",
        "declare": [Exchange("everybody", type="fanout")],
    }
    async with published(redis, "/0.*") as messages:
        app.send_task("tasks.add", [1], {"a": 2}, task_id="a1", priority=3, **to_all)
        told = {message.channel: message.data for message in [await anext(messages), await anext(messages)]}

    route = Route(queue="red", priority=3, fanout="everybody")
    theirs, event = told[BrokerKeys().fanout_channel("everybody", "red")], told["/0.celeryev/task.sent"]
    sent = json.loads(theirs.decode().replace(*OLDER))
    headers, properties = sent["headers"], sent["properties"]
    encoded = encode(message_of({"args": [1], "kwargs": {"a": 2}}, task_id="a1", origin=headers["origin"]))
    template, values = seal_task(encoded, route, reply_to=properties["reply_to"], expires_ms=None)
    assert template.filled("a1", properties["delivery_tag"], values) == theirs.decode().replace(*OLDER)

    (said,) = read_events(event)
    sender = Sender(hostname=said["hostname"], pid=said["pid"], utc_offset=said["utcoffset"])
    ours = task_sent(encoded, route, sender, clock=said["clock"], timestamp=said["timestamp"])
    assert ours == json.dumps({**said, "queue": None})  # Celery names its default queue, in which the task is not


@asynccontextmanager
async def published(redis: Redis, pattern: str) -> AsyncIterator[AsyncIterator[Any]]:
    messages = redis.listen(pattern)
    try:
        assert (await anext(messages)).begins
        yield messages
    finally:
        await messages.aclose()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
plain = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@given(args=st.lists(plain, max_size=3), kwargs=st.dictionaries(texts, plain, max_size=3))
def test_whatever_the_arguments_headers_and_body_are_those_of_celery(args: list[Any], kwargs: dict[str, Any]) -> None:
    task = Celery("names", set_as_current=False).amqp.as_task_v2(
        "a1", "tasks.add", tuple(args), kwargs, origin="gen1@example"
    )
    encoded = encode(TaskMessage(task="tasks.add", task_id="a1", args=args, kwargs=kwargs, origin="gen1@example"))

    assert encoded.body.decode() == dumps(task.body, serializer="json")[2]
    ours, celerys = json.loads(encoded.headers), dict(task.headers)
    assert list(ours) == list(celerys)
    for reprs in ("argsrepr", "kwargsrepr"):  # compared in test_saferepr
        ours.pop(reprs)
        celerys.pop(reprs)
    assert ours == {**celerys, "ignore_result": None}
