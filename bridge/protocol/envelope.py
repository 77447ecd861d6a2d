"""Kombu's envelope: the JSON text that travels through a Redis list or channel (kombu/transport/virtual/base.py)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.protocol.message import EncodedTask
from bridge.protocol.route import Route

PERSISTENT = 2
TRANSIENT = 1


def seal_task(encoded: EncodedTask, route: Route, *, delivery_tag: str, reply_to: str, expires_ms: int | None) -> bytes:
    """The value to LPUSH. `delivery_tag` must never repeat: workers acknowledge by it."""
    expiration = "" if expires_ms is None else f'"expiration": "{max(expires_ms, 0)}", '
    # With an exchange of another name a redelivered message is lost where that exchange has no binding.
    properties = (
        f'"correlation_id": {_quoted(encoded.message.task_id)}, "reply_to": {_quoted(reply_to)}, '
        f'"delivery_mode": {PERSISTENT}, {expiration}{_delivery("", route.queue, route.priority)}'
    )
    return _seal(encoded.body, json.dumps(encoded.headers), properties, delivery_tag)


def seal_broadcast(
    body: object, headers: Mapping[str, Any], *, exchange: str, routing_key: str, delivery_tag: str, mode: int
) -> bytes:
    """The value to PUBLISH: an event (`mode` transient) or a remote control command (`mode` persistent)."""
    properties = f'"delivery_mode": {mode}, {_delivery(exchange, routing_key, 0)}'
    return _seal(json.dumps(body).encode(), json.dumps(headers), properties, delivery_tag)


@lru_cache(1_024)
def _delivery(exchange: str, routing_key: str, priority: int) -> str:
    delivery_info = json.dumps({"exchange": exchange, "routing_key": routing_key})
    return f'"delivery_info": {delivery_info}, "priority": {priority}, "body_encoding": "base64"'


def _seal(body: bytes, headers: str, properties: str, delivery_tag: str) -> bytes:
    # The text that json.dumps gives for the whole, put together from parts that hardly ever change: half the time.
    return (
        f'{{"body": "{b64encode(body).decode()}", "content-encoding": "utf-8", "content-type": "application/json", '
        f'"headers": {headers}, "properties": {{{properties}, "delivery_tag": {_quoted(delivery_tag)}}}}}'
    ).encode()


def open_json(data: bytes) -> Any:
    """The JSON value in an envelope's body.

    Raises:
        UnreadableBytes: no envelope, or its body is not JSON.
    """
    try:
        envelope = json.loads(data)
        body = envelope["body"]
        if envelope["properties"].get("body_encoding") == "base64":
            body = b64decode(body)
        return json.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableBytes(f"not a Kombu envelope with a JSON body: {data[:80]!r}") from error
