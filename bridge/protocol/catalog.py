"""The catalog: the task types that workers announced, see workers/catalog.py."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from bridge.errors import UnreadableBytes
from bridge.protocol.compact import compact

VERSION = 1
NAME_LIMIT = 255
"""Characters of a name; no task of a longer one can be submitted."""
TYPES_LIMIT = 5_000
"""Task types that a catalog has at the most; the first by name."""
_NUMBER = int | float
_FIELDS: Mapping[str, Any] = {
    "doc": str,
    "schema": dict | None,
    "queue": str | None,
    "retry": dict,
    "time_limit": _NUMBER | None,
    "soft_time_limit": _NUMBER | None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """What is known of the tasks of one name. Of a worker that announces nothing, only their names are."""

    name: str
    announced: bool = False
    doc: str = ""
    schema_json: str | None = None
    """JSON Schema (2020-12) of the parameters by name; None when nobody announced one."""
    queue: str | None = None
    """Where the workers' own app would send it; None when not known."""
    retry: Mapping[str, Any] | None = None
    """`max_retries` (None: without end), `autoretry_for`, and what else the task has, by Celery's names."""
    time_limit: float | None = None
    soft_time_limit: float | None = None

    @property
    def schema(self) -> Any:
        """The JSON Schema as a value of its own."""
        return None if self.schema_json is None else json.loads(self.schema_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Task types by name, in the order of their names. `tag` is another one whenever anything else is."""

    types: Mapping[str, TaskType]
    tag: str

    @classmethod
    def of(cls, announcements: Iterable[Iterable[TaskType]], names: Iterable[str] = ()) -> "Catalog":
        """Of announcements, the oldest first, since the newest word on a type counts, and of names alone."""
        found = {name: TaskType(name=name) for name in names if 0 < len(name) <= NAME_LIMIT}
        for announcement in announcements:
            found |= {task_type.name: task_type for task_type in announcement}
        types = {name: found[name] for name in sorted(found)[:TYPES_LIMIT]}
        return cls(types=MappingProxyType(types), tag=sha256(repr(list(types.values())).encode()).hexdigest()[:32])


def read_announcement(data: bytes) -> tuple[TaskType, ...]:
    """The task types of one worker.

    Raises:
        UnreadableBytes: it is no announcement, or one of a later version.
    """
    try:
        announcement = json.loads(data)
        if announcement["version"] != VERSION:
            raise ValueError(f"version {announcement['version']!r:.20}, known here is {VERSION}")
        return tuple(_task_type(one) for one in announcement["task_types"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableBytes(f"not an announcement of task types: {error!r:.200}: {data[:80]!r}") from error


def _task_type(said: dict[str, Any]) -> TaskType:
    name = said["name"]
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
        raise ValueError(f"a name must have 1 to {NAME_LIMIT} characters: {name!r:.80}")
    fields = {field: said[field] for field in _FIELDS}
    for field, value in fields.items():
        if not isinstance(value, _FIELDS[field]):
            raise TypeError(f"{field} of {name}: {value!r:.80}")
    schema = fields.pop("schema")
    return TaskType(name=name, announced=True, schema_json=None if schema is None else compact(schema), **fields)


def read_names(data: bytes) -> tuple[str, ...]:
    """The names that workers which announce nothing told when they were asked.

    Raises:
        UnreadableBytes: it is not what the watcher writes.
    """
    try:
        return tuple(str(name) for name in json.loads(data))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableBytes(f"not names of task types: {data!r:.80}") from error


def names_of(replies: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names in workers' replies to ``registered``, by worker; Celery's own tasks are left out.

    A name may be followed by attributes: ``mail.send [rate_limit=10/m]``.
    """
    return {
        worker: [str(one).partition(" [")[0] for one in told if not str(one).startswith("celery.")]
        for worker, told in replies.items()
        if isinstance(told, list)
    }
