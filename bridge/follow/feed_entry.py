"""The live feed: every update of every task, in one order, with what is needed to tell whom it concerns."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.records.status import StatusUpdate
from bridge.redis import Entry

_TASK, _SEQ, _UPDATE = b"i", b"s", b"u"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One update; `cursor` is its place in the feed. Of the rest, None is what is not known."""

    cursor: str
    update: StatusUpdate
    task: str | None = None
    queue: str | None = None
    batch: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()


def read_entry(entry: Entry) -> FeedEntry:
    """The entry as `accept.lua` and `advance.lua` write it.

    Raises:
        ValueError, IndexError: it is not.
    """
    cursor, fields = entry
    said = dict(zip(fields[::2], fields[1::2], strict=True))
    if not said.keys() >= {_TASK, _SEQ, _UPDATE}:
        raise ValueError("lacks a field")
    task_id = said[_TASK].decode()
    return FeedEntry(
        cursor=cursor.decode(),
        update=StatusUpdate(task_id=task_id, seq=int(said[_SEQ]), text=said[_UPDATE]),
        task=_text(said, b"t"),
        queue=_text(said, b"q"),
        batch=_text(said, b"b"),
        owner=_text(said, b"o"),
        tags=tuple(json.loads(said.get(b"g", b"[]"))),
    )


def _text(said: Mapping[bytes, bytes], name: bytes) -> str | None:
    return said[name].decode(errors="replace") if name in said else None


def place(cursor: str) -> tuple[int, int]:
    """What cursors are ordered by: milliseconds, and a number within them.

    Raises:
        ValueError: it is no cursor.
    """
    milliseconds, dash, number = cursor.partition("-")
    if not (dash and cursor.isascii() and milliseconds.isdigit() and number.isdigit()):
        raise ValueError(f"{cursor!r:.50} is no cursor")
    return int(milliseconds), int(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tasks: each of these that is given must have what the task has; of `tags` it must have one."""

    task_ids: Collection[str] = ()
    tasks: Collection[str] = ()
    queues: Collection[str] = ()
    batches: Collection[str] = ()
    tags: Collection[str] = ()
    owner: str | None = None

    def has(self, entry: FeedEntry) -> bool:
        """Whether the task of an update is selected."""
        return (
            _allows(self.task_ids, entry.update.task_id)
            and _allows(self.tasks, entry.task)
            and _allows(self.queues, entry.queue)
            and _allows(self.batches, entry.batch)
            and (not self.tags or not set(self.tags).isdisjoint(entry.tags))
            and (self.owner is None or self.owner == entry.owner)
        )


def _allows(wanted: Collection[str], found: str | None) -> bool:
    return not wanted or found in wanted
