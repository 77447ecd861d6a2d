"""What a call writes to Redis, made comparable: without ids, tags, clocks, and what Celery does in any order."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.protocol.compression import decompressed
from bridge.protocol.serializers import JSON, json_text, loads

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NAMED = re.compile(r"<\d+>")
STAMPED = re.compile(r'("stamped_headers": )\[([^\]]*)\]')
STAMPS = re.compile(r'("stamps": )(\{[^}]*\})')
SOON = timedelta(minutes=10)
OLDER = ('"ignore_result": false', '"ignore_result": null')
"""Celery before 5.7 says false for a task of which it knows the name alone, over the head of the task itself."""
INNER_GROUP = re.compile(r'"task_id": "[^"]*", ("group_id": "[^"]*")')
INNER_GROUP_MASKED = r'"task_id": "<its own>", \1'
"""A group in another. Celery before 5.7 gives it the id of that one, with which some chords wait for ever."""
Writes = dict[str, list[str]]
"""Values by key; of a queue the oldest first."""


def readable(written: Mapping[str, Sequence[str]]) -> Writes:
    """Raw values by key, with the messages among them unsealed."""
    return {
        key: list(values) if key.startswith("celery-") else list(map(unsealed, values))
        for key, values in written.items()
    }


def unsealed(envelope: str | bytes) -> str:
    """An envelope as text, its body read, without what can never be the same."""
    sent = json.loads(envelope)
    headers, properties = sent["headers"], sent["properties"]
    headers["origin"] = "<origin>"
    properties["delivery_tag"] = "<tag>"
    for clocked in {"eta", "expires"} & headers.keys():
        headers[clocked] = headers[clocked] and _unless_soon(headers[clocked])
    if "expiration" in properties:
        properties["expiration"] = "<ms>"
    body = b64decode(sent.pop("body"))
    if "compression" in headers:
        body = decompressed(body, headers["compression"])
    text = body.decode() if sent["content-type"] == JSON.content_type else json_text(loads(body, sent["content-type"]))
    return f"{json.dumps(sent).replace(*OLDER)} {INNER_GROUP.sub(INNER_GROUP_MASKED, text)}"


def _unless_soon(moment: str) -> str:
    """A moment that a countdown leads to depends on the clock."""
    return "<soon>" if datetime.fromisoformat(moment) - datetime.now(UTC) < SOON else moment


def normalised(writes: Writes, reply_to: str) -> str:
    """All of it as one text, ids named in the order in which they appear."""
    names = {reply_to: "<oid>"}
    queues = sorted(key for key in writes if not key.startswith("celery-"))
    queued = "\n".join(_renamed(f"{key}: {value}", names) for key in queues for value in writes[key])
    stored = [f"{key}: {_without_other_groups(writes[key][0])}" for key in writes if key not in queues]
    text = "\n".join([queued, *sorted(_renamed(line, names) for line in stored)])
    # Celery takes stamps out of a set, so in any order.
    text = STAMPED.sub(lambda found: f"{found[1]}{sorted(found[2].split(', '))}", text)
    return STAMPS.sub(lambda found: f"{found[1]}{sorted(json.loads(found[2]).items())}", text)


def _without_other_groups(stored: str) -> str:
    """The same without ids of groups within the one that is stored, and before it.

    Celery gives the header of a chord another id after it has stored this one, which then names nothing; of a group
    in another see `INNER_GROUP`.
    """

    def of(node: Any, within: bool) -> Any:
        (name, parent), children = node
        inner = None if children is None else [of(child, True) for child in children]
        return [["a group" if within and inner is not None else name, parent and of(parent, True)], inner]

    value = json.loads(stored)
    return json.dumps({"result": of(value["result"], False)}) if isinstance(value, dict) else stored


def _renamed(text: str, names: dict[str, str]) -> str:
    return UUID.sub(lambda found: names.setdefault(found[0], f"<{len(names)}>"), text)


def without_groups(writes: Writes) -> str:
    """What is queued, without saying which id is which."""
    queued = {key: values for key, values in writes.items() if not key.startswith("celery-")}
    return NAMED.sub("<id>", normalised(queued, ""))
