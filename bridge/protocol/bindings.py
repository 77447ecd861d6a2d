"""Bindings: which queue an exchange hands a message to, as Kombu keeps it in Redis.

``_kombu.binding.<exchange>`` is a set with a member for each queue: routing key, pattern and queue, with the separator
between them. The kind of the exchange is not in Redis. Kombu trusts what its own process declared, and takes for direct
what nobody declared. The bindings tell more: those of a topic exchange have a pattern, a regular expression that Kombu
made of the routing key (kombu/transport/virtual/exchange.py), those of a direct exchange have none.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.keys import EVENT_QUEUES, is_own_exchange
from bridge.protocol.values import NO_PATTERN, check_name, check_type

BROADCAST = "bcast."
"""Begins the queue by which one worker hears a fanout exchange (``kombu.common.Broadcast``). The queue goes with the
worker, and what binds it may stay."""
_FANOUT = (
    "{!r} is a fanout exchange whose worker has gone: what is sent to it would wait in a queue that nobody takes from. "
    "Submit to a queue, or tell all workers by control"
)
OWN = (
    "{!r} is an exchange of Celery's own, by which its processes talk to each other: a worker that hears a task there "
    "exits. Name a queue, or an exchange that was made for tasks"
)
_SLASH = (
    "{!r} cannot be sent to: Kombu takes a fanout exchange's name to end at the first slash, and a worker that hears "
    "of an exchange it does not know exits"
)
SHOWN = 8
"""Routing keys that an error names at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An exchange and a routing key, by which bindings are looked up.

    Raises:
        InvalidMessage: one of them cannot be a name, or is that of an exchange of Celery's own.
    """

    exchange: str
    routing_key: str = ""

    def __post_init__(self) -> None:
        check_name(self.exchange, "/options/exchange")
        if is_own_exchange(self.exchange):
            raise InvalidMessage("/options/exchange", OWN.format(self.exchange))
        if self.routing_key:
            check_name(self.routing_key, "/options/routing_key")


def destination_of(options: Mapping[str, Any]) -> Destination | None:
    """Where the options `exchange` and `routing_key` lead to; None when a task goes to its queue by the queue's name,
    which is its routing key then, as in Celery.

    Raises:
        InvalidMessage: they contradict each other, are no names, or name an exchange of Celery's own.
    """
    queue, exchange, routing_key = (options.get(name) for name in ("queue", "exchange", "routing_key"))
    if exchange is None:
        if routing_key not in (None, queue):
            raise InvalidMessage("/options/routing_key", _leads_nowhere(queue))
        return None
    if queue is not None:
        raise InvalidMessage("/options/queue", "cannot be given together with exchange, which decides the queue")
    check_type(exchange, (str,), "/options/exchange")
    check_type("" if routing_key is None else routing_key, (str,), "/options/routing_key")
    return Destination(exchange=exchange, routing_key=routing_key or "")


def _leads_nowhere(queue: str | None) -> str:
    if queue is None:
        return "needs an exchange; to name a queue, give queue"
    return (
        f"does not lead to the queue {queue!r}, whose key is its name: leave it out, or give the exchange in the place "
        "of the queue"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A queue, and the routing key of what it gets; with a pattern what fits that, and else what has that very key."""

    routing_key: str
    pattern: re.Pattern[str] | None
    queue: str

    def fits(self, routing_key: str) -> bool:
        """Whether the queue gets what is sent with this routing key."""
        if self.pattern:
            return self.pattern.match(routing_key) is not None
        return self.routing_key == routing_key


def read_bindings(key: str, members: Iterable[bytes], separator: str) -> tuple[Binding, ...]:
    """The bindings that are the members of the set `key`.

    Raises:
        UnreadableBytes: a member is not what Kombu writes.
    """
    return tuple(_binding(key, member, separator) for member in sorted(members))


def _binding(key: str, member: bytes, separator: str) -> Binding:
    try:
        routing_key, pattern, queue = member.decode().split(separator)
        return Binding(routing_key=routing_key, pattern=re.compile(pattern) if pattern else None, queue=queue)
    except (ValueError, *NO_PATTERN) as error:
        raise UnreadableBytes(
            f"{key} has a member that is not routing key, pattern and queue with {separator!r} between: {member!r:.99}."
            " Is PETIOLE_BROKER_SEP what Celery has as sep in broker_transport_options?"
        ) from error


def other_layout(key: str, kind: str, so: str) -> str:
    """Says that `key` is of Redis's type `kind` where Kombu has a set; `so` says what follows, and what to do."""
    kind = "sorted set" if kind == "zset" else kind
    return (
        f"{key} is a {kind}, and Kombu keeps bindings in a set: another program has written it, or a version of Kombu "
        f"that is not known here. {so}"
    )


def check_heard(bindings: Sequence[Binding], destination: Destination) -> None:
    """Check that what listens to a fanout exchange takes tasks.

    Raises:
        InvalidMessage: it is the exchange of events, which an installation may call as it likes, but whose queues have
            Celery's name still; or Kombu would not know it again by its name.
    """
    if any(binding.queue.startswith(EVENT_QUEUES) for binding in bindings):
        raise InvalidMessage("/options/exchange", OWN.format(destination.exchange))
    if "/" in destination.exchange:
        raise InvalidMessage("/options/exchange", _SLASH.format(destination.exchange))


def check_kind(bindings: Sequence[Binding], exchange: str, kind: str, *, is_heard: bool) -> None:
    """Check that a worker may be told that `exchange` is of this kind: direct, topic or fanout.

    `is_heard` says that somebody listens to it now. A fanout exchange that nobody listens to looks like a direct one,
    and is taken for one, unless its queues are those of ``Broadcast``.

    Raises:
        InvalidMessage: it is, or may be, of another kind. A worker that has declared it so exits.
    """
    known = {_kind(binding, is_heard=is_heard) for binding in bindings} | ({"fanout"} if is_heard else set())
    if known - {kind}:
        raise InvalidMessage(
            "/exchange_type",
            f"{exchange!r} is a {' and '.join(sorted(known))} exchange, as its bindings in Redis tell: a worker that "
            f"has it so exits when it is told that it is a {kind} one. Name another exchange, or the type that it has",
        )


def _kind(binding: Binding, *, is_heard: bool) -> str:
    if binding.pattern:
        return "topic"
    return "fanout" if is_heard or binding.queue.startswith(BROADCAST) else "direct"


def queue_for(bindings: Sequence[Binding], destination: Destination) -> str:
    """The one queue that a task goes to.

    Raises:
        InvalidMessage: it is none, where Kombu would drop the task without a word; or there are several; or they are
            those of a fanout exchange.
    """
    if any(binding.queue.startswith(BROADCAST) for binding in bindings):
        raise InvalidMessage("/options/exchange", _FANOUT.format(destination.exchange))
    queues = sorted({binding.queue for binding in bindings if binding.fits(destination.routing_key)})
    if not queues:
        raise InvalidMessage("/options/exchange", _unroutable(bindings, destination))
    if len(queues) > 1:
        raise InvalidMessage(
            "/options/exchange",
            f"{destination.exchange!r} hands this to the queues {', '.join(queues)}: the task would run once for each, "
            "with one id, one record and one result. Submit it to each queue by its name",
        )
    return queues[0]


def _unroutable(bindings: Sequence[Binding], destination: Destination) -> str:
    if not bindings:
        return f"{destination.exchange!r} has no queues: no worker has declared one that is bound to it"
    known = [binding.routing_key for binding in bindings][:SHOWN]
    return (
        f"{destination.exchange!r} has no queue for the routing key {destination.routing_key!r}, "
        f"only for {', '.join(map(repr, known))}"
    )
