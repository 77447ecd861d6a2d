"""Kombu's envelope: the JSON text that travels through a Redis list or channel (kombu/transport/virtual/base.py)."""

import json
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.protocol.compression import decompressed
from bridge.protocol.encoding import JSON_CONTENT, EncodedTask, Form
from bridge.protocol.message import TaskMessage
from bridge.protocol.route import Route
from bridge.protocol.serializers import JSON, loads
from bridge.protocol.template import ID, TAG, VALUE, Template

PERSISTENT = 2
TRANSIENT = 1
_CORRELATION, _TAG, _END = ', "properties": {"correlation_id": ', ', "delivery_tag": "', '"}}'


Sealed = tuple[Template, tuple[str, ...]]
"""A message in its envelope: what it has in common with others, and its values."""


def seal_task(encoded: EncodedTask, route: Route, *, reply_to: str, expires_ms: int | None) -> Sealed:
    """The value to LPUSH, or to PUBLISH for a fanout exchange; `expires_ms` from now.

    The template is filled with a delivery tag that never repeats: workers acknowledge by it. What a `Pattern` has made
    shares a template with much text, everything else one with hardly any.
    """
    message, form, body = encoded.message, encoded.message.form, b2a_base64(encoded.body, newline=False).decode()
    if form is not None and expires_ms is None:
        template = _shared(form, reply_to, route.fanout, route.queue, route.priority)
        return template, (body, *encoded.values)
    expiration = "" if expires_ms is None else f'"expiration": "{max(expires_ms, 0)}", '
    correlation = _quoted(message.task_id if message.correlation_id is None else message.correlation_id)
    delivery = _delivery(route.fanout, route.queue, route.priority)
    properties = f"{correlation}{_properties(reply_to, _shown(message), expiration, delivery)}"
    return _unshared(encoded.content), (body, encoded.headers, properties)


def _properties(reply_to: str, shown: str, expiration: str, delivery: str) -> str:
    """Those between the correlation id and the delivery tag."""
    return f', "reply_to": {_quoted(reply_to)}, {shown}"delivery_mode": {PERSISTENT}, {expiration}{delivery}'


@lru_cache(1_024)
def _shared(form: Form, reply_to: str, fanout: str, queue: str, priority: int) -> Template:
    headers, correlation_id = form.headers, form.pattern.correlation_id
    before, *between, after = headers.texts
    texts = ['{"body": "', f'", {form.content}, "headers": {before}', *between]
    correlation = f"{after}{_CORRELATION}"
    properties = f"{_properties(reply_to, _shown(form.pattern), '', _delivery(fanout, queue, priority))}{_TAG}"
    if correlation_id is None:
        return Template.of(VALUE + headers.gaps + ID + TAG, *texts, f'{correlation}"', f'"{properties}', _END)
    return Template.of(VALUE + headers.gaps + TAG, *texts, f"{correlation}{_quoted(correlation_id)}{properties}", _END)


@lru_cache(64)
def _unshared(content: str) -> Template:
    return Template.of(VALUE * 3 + TAG, '{"body": "', f'", {content}, "headers": ', _CORRELATION, _TAG, _END)


def _shown(message: TaskMessage) -> str:
    """Texts for people that the caller gave: Celery puts them into the properties as well."""
    if message.argsrepr is None and message.kwargsrepr is None:
        return ""
    shown = (("argsrepr", message.argsrepr), ("kwargsrepr", message.kwargsrepr))
    return "".join(f'"{name}": {_quoted(text)}, ' for name, text in shown if text is not None)


def seal_broadcast(
    body: object, headers: Mapping[str, Any], *, exchange: str, routing_key: str, delivery_tag: str, mode: int
) -> bytes:
    """The value to PUBLISH: an event (`mode` transient) or a remote control command (`mode` persistent)."""
    address = Address(exchange=exchange, routing_key=routing_key, mode=mode)
    return seal_text(json.dumps(body), json.dumps(headers), address, delivery_tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broadcast goes; `mode` as in `seal_broadcast`."""

    exchange: str
    routing_key: str
    mode: int


def seal_text(body: str, headers: str, address: Address, delivery_tag: str) -> bytes:
    """As `seal_broadcast`, for what is JSON already."""
    properties = f'"delivery_mode": {address.mode}, {_delivery(address.exchange, address.routing_key, 0)}'
    return _seal(body.encode(), JSON_CONTENT, headers, properties, delivery_tag)


@lru_cache(1_024)
def _delivery(exchange: str, routing_key: str, priority: int) -> str:
    # With an exchange of another name a redelivered message is lost where that exchange has no binding.
    delivery_info = json.dumps({"exchange": exchange, "routing_key": routing_key})
    return f'"delivery_info": {delivery_info}, "priority": {priority}, "body_encoding": "base64"'


def _seal(body: bytes, content: str, headers: str, properties: str, delivery_tag: str) -> bytes:
    # The text that json.dumps gives for the whole, put together from parts that hardly ever change: half the time.
    return (
        f'{{"body": "{b2a_base64(body, newline=False).decode()}", {content}, '
        f'"headers": {headers}, "properties": {{{properties}, "delivery_tag": {_quoted(delivery_tag)}}}}}'
    ).encode()


def open_json(data: bytes) -> Any:
    """The value in an envelope's body, in the terms of JSON, whatever it is serialized in and compressed by.

    Raises:
        UnreadableBytes: no envelope, or its body cannot be read here.
    """
    return open_message(data)[1]


def open_message(data: bytes) -> tuple[Mapping[str, Any], Any]:
    """Headers and body of an envelope; raises as `open_json` does."""
    try:
        envelope = json.loads(data)
        body, headers = envelope["body"], envelope.get("headers") or {}
        raw = b64decode(body) if envelope["properties"].get("body_encoding") == "base64" else body.encode()
        if headers.get("compression"):
            raw = decompressed(raw, headers["compression"])
        return headers, loads(raw, envelope.get("content-type", JSON.content_type))
    except UnreadableBytes as error:
        raise UnreadableBytes(f"{error}: {data[:80]!r}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableBytes(f"not a Kombu envelope with a body: {data[:80]!r}") from error
