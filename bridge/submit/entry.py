"""A task made ready for `accept.lua`, and the arguments of the script that many of them make."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from bridge.protocol.keys import BrokerKeys, Keys
from bridge.protocol.route import Route
from bridge.protocol.template import NOTHING, Template
from bridge.redis import Arg
from bridge.submit.idempotency import Claim

NOW, BY_A_WORKER = 0, -1
"""Held until 0: not held at all. Until -1: it is not for us to send."""


class Kind(NamedTuple):
    """What most tasks of one moment have in common, so that it is handed over once for all of them."""

    route: Route
    due: int = NOW
    """Held until then (ms), `NOW` or `BY_A_WORKER`."""
    first: bytes = b""
    """Its first update, and its `second` if it has one."""
    second: bytes = b""
    task: str = ""
    at_ms: int = 0
    more: tuple[Arg, ...] = ()
    """Further fields of the record, and their values."""
    template: Template = NOTHING
    """Of its message."""

    @property
    def is_recorded(self) -> bool:
        """Whether there is a record of it, which has its name."""
        return bool(self.task)


class Entry(NamedTuple):
    """A task made ready: the values for the template of its message, and its ``task-sent`` event. Of one that a worker
    will send there is neither.
    """

    task_id: str
    tag: str
    """Of the delivery; its beginning tells the record of this entry from one of another."""
    kind: Kind
    values: tuple[str, ...] = ()
    sent: str = ""
    claim: Claim | None = None

    @property
    def message(self) -> bytes:
        """The message in its envelope."""
        return self.kind.template.filled(self.task_id, self.tag, self.values).encode()


def claims_of(entries: Iterable[Entry], own: Keys) -> list[Arg]:
    """The count of their claims, and these."""
    claims: list[Arg] = []
    for which, entry in enumerate(entries, 1):
        if entry.claim:
            claim = entry.claim
            claims += (which, own.idempotency(claim.owner, claim.name), claim.fingerprint, claim.answer)
    return [len(claims) // 4, *claims]


def kinds_and_tasks(entries: Sequence[Entry], names: BrokerKeys) -> tuple[list[str], list[Arg]]:
    """The lists of their queues; the count of their kinds, and these, and the tasks."""
    kinds: dict[Kind, int] = {}
    tasks: list[Arg] = []
    last, number = None, 0
    for entry in entries:
        if entry.kind != last:
            last = entry.kind
            number = kinds.setdefault(last, len(kinds) + 1)
        tasks += (number, entry.task_id, entry.tag, *entry.values)
    queues = {queue: which for which, queue in enumerate(dict.fromkeys(kind.route.queue for kind in kinds), 1)}
    args: list[Arg] = [len(kinds)]
    for kind in kinds:
        queue, step = kind.route.queue, names.step_of(kind.route.priority) + 1
        args += (queues[queue], step, kind.due, kind.first, kind.second, kind.task, queue, kind.at_ms)
        args += (kind.template.gaps, *kind.template.texts, len(kind.more), *kind.more)
    return list(chain.from_iterable(map(names.lists, queues))), args + tasks
