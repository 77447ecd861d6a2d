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
from bridge.protocol.message import JSON_CONTENT, EncodedTask, TaskMessage
from bridge.protocol.route import Route
from bridge.protocol.serializers import JSON, loads

PERSISTENT = 2
TRANSIENT = 1


def seal_task(encoded: EncodedTask, route: Route, *, delivery_tag: str, reply_to: str, expires_ms: int | None) -> bytes:
    """The value to LPUSH, or to PUBLISH for a fanout exchange. `delivery_tag` must never repeat: workers acknowledge by
    it.
    """
    message = encoded.message
    correlation_id = message.task_id if message.correlation_id is None else message.correlation_id
    expiration = "" if expires_ms is None else f'"expiration": "{max(expires_ms, 0)}", '
    # With an exchange of another name a redelivered message is lost where that exchange has no binding.
    properties = (
        f'"correlation_id": {_quoted(correlation_id)}, "reply_to": {_quoted(reply_to)}, {_shown(message)}'
        f'"delivery_mode": {PERSISTENT}, {expiration}{_delivery(route.fanout, route.queue, route.priority)}'
    )
    return _seal(encoded.body, encoded.content, encoded.headers, properties, delivery_tag)


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
