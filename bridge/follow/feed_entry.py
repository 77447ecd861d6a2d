"""The live feed: every update of every task, in one order, with what is needed to tell whom it concerns."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bridge.records.status import StatusUpdate
from bridge.redis import Entry

_ONE, _SEVERAL, _SEQ, _UPDATE = b"i", b"I", b"s", b"u"


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


def read_entries(entry: Entry) -> list[FeedEntry]:
    """The updates in an entry as `accept.lua` and `advance.lua` write it: the same one of several tasks, or of one.

    Raises:
        ValueError, IndexError: it is not.
    """
    place_, fields = entry
    said = dict(zip(fields[::2], fields[1::2], strict=True))
    if fields[0] not in (_ONE, _SEVERAL) or not said.keys() >= {_SEQ, _UPDATE}:
        raise ValueError("lacks a field")
    task_ids, seq, cursor = tasks_of(fields), int(said[_SEQ]), place_.decode()
    task, queue, batch, owner = (_text(said, name) for name in (b"t", b"q", b"b", b"o"))
    tags = tuple(json.loads(said.get(b"g", b"[]")))
    return [
        FeedEntry(
            cursor=cursor if count == len(task_ids) else f"{cursor}-{count}",
            update=StatusUpdate(task_id=task_id, seq=seq, text=said[_UPDATE]),
            task=task,
            queue=queue,
            batch=batch,
            owner=owner,
            tags=tags,
        )
        for count, task_id in enumerate(task_ids, 1)
    ]


def tasks_of(fields: Sequence[bytes]) -> list[str]:
    """The ids in an entry, which the scripts write first.

    Raises:
        ValueError, IndexError: it is no such entry.
    """
    tasks = fields[1].decode()
    return tasks.split(" ") if fields[0] == _SEVERAL else [tasks]


def _text(said: Mapping[bytes, bytes], name: bytes) -> str | None:
    return said[name].decode(errors="replace") if name in said else None


CURSOR = "[0-9]{1,15}-[0-9]{1,15}(-[0-9]{1,4})?"
"""A pattern: an entry of the stream, and of one with several tasks how many of them, where it is not all."""


def place(cursor: str) -> tuple[int, int, float]:
    """What cursors are ordered by: milliseconds, a number within them, and how many tasks of that entry.

    Raises:
        ValueError: it is no cursor.
    """
    if not re.fullmatch(CURSOR, cursor):
        raise ValueError(f"{cursor!r:.50} is no cursor")
    milliseconds, number, *count = map(int, cursor.split("-"))
    return milliseconds, number, count[0] if count else math.inf


def start_after(cursor: str) -> str:
    """Where to begin reading the stream, for XRANGE: behind an entry, or with it where a part of it is to come."""
    milliseconds, number, count = place(cursor)
    return f"({cursor}" if count == math.inf else f"{milliseconds}-{number}"


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
