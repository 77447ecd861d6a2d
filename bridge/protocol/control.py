"""Remote control on the wire: who is meant, the broadcast that says what to do, and what workers answer.

Kombu's pidbox (kombu/pidbox.py). A command is published to all workers of a broker; each looks whether it is meant. An
answer is pushed to every list that ``_kombu.binding.reply.celery.pidbox`` names for the address in the command.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.commands import Command, listed
from bridge.protocol.envelope import PERSISTENT, open_message, seal_broadcast
from bridge.protocol.keys import SEPARATOR
from bridge.protocol.values import NO_PATTERN, check_name

EXCHANGE = "celery.pidbox"
REPLY_EXCHANGE = "reply.celery.pidbox"
BINDINGS = f"_kombu.binding.{REPLY_EXCHANGE}"
DEADLINES = "_kombu.binding_deadlines"
"""Kombu 5.7: a table of bindings is deleted when its deadline here (ms since 1970) has passed."""
BINDING_LIFE_MS = 3_600_000
"""How far Kombu 5.7 itself puts off that deadline."""
NEVER_EXPIRES = 0
"""No command says when it expires. A worker compares that with its own clock and says nothing of what it drops, so with
Celery's second it ignores everybody whose clock is behind. And there is nothing to expire: what is published reaches
the workers that listen or nobody, so a command is late only where a worker was busy, and it is meant for it still."""
GLOB, PCRE = "glob", "pcre"
MAX_CHOICES = 5
"""Of ``* + ? { |`` in one regular expression. A worker matches its name in the loop in which it does everything else,
and Python tries all there is to try: each letter of the name doubles the time that ``(.|.)*!`` takes."""
_NO_CHOICE = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\(\?")
_CHOICE, _REPEATED_GROUP = re.compile(r"[*+?{|]"), re.compile(r"\)[*+{]")
MAX_WORKERS = 1_000
"""Workers that one command may name."""
ACTIVE_QUEUES = Command(method="active_queues")
"""Asks for the queues that a worker takes tasks from; `queues_of` and `hears_by` read what it replies."""
STATS = Command(method="stats")
"""Asks among other things how many processes a worker has; `processes_of` reads what it replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Which workers are meant: those named in `destination`, those whose name fits `pattern`, or, without both, all.

    `matcher` says what the pattern is: ``glob`` (as in file names; the default) or ``pcre`` (a regular expression).

    Raises:
        InvalidMessage: no worker could be meant, or a worker could not tell.
    """

    destination: Sequence[str] | None = None
    pattern: str | None = None
    matcher: str | None = None

    def __post_init__(self) -> None:
        if self.destination is not None:
            _check_destination(self.destination)
        if self.pattern is not None:
            _check_pattern(self.pattern, self.matcher or GLOB)
        elif self.matcher is not None:
            raise InvalidMessage("/matcher", "needs a pattern; without one every worker would be meant")

    @property
    def named(self) -> int | None:
        """How many workers are meant; None when that is not known."""
        return None if self.destination is None else len(set(self.destination))

    def fields(self) -> dict[str, Any]:
        """Its part of a command."""
        return {
            "destination": None if self.destination is None else list(self.destination),
            "pattern": self.pattern,
            "matcher": None if self.pattern is None else self.matcher or GLOB,
        }


ALL = Audience()


def _check_destination(destination: Sequence[str]) -> None:
    names = listed(destination, "/destination")
    if not 0 < len(names) <= MAX_WORKERS:  # of an empty one a worker makes "all"
        raise InvalidMessage("/destination", f"must name 1 to {MAX_WORKERS:,} workers; leave it out to mean all")
    for name in names:
        check_name(name, "/destination")


def _check_pattern(pattern: str, matcher: str) -> None:
    check_name(pattern, "/pattern")
    if matcher not in (GLOB, PCRE):
        raise InvalidMessage("/matcher", f"must be {GLOB} or {PCRE}")
    if matcher == PCRE:
        try:
            re.compile(pattern)
        except NO_PATTERN as error:
            raise InvalidMessage("/pattern", f"is no regular expression: {error}") from error
        bare = _NO_CHOICE.sub(lambda found: "(" if found[0] == "(?" else "x", pattern)
        if _REPEATED_GROUP.search(bare) or len(_CHOICE.findall(bare)) > MAX_CHOICES:
            raise InvalidMessage(
                "/pattern",
                f"must have no group that is repeated, and {MAX_CHOICES} of * + ? {{ | at the most: workers do nothing "
                "else while they try. Name the workers, or give a glob",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAddress:
    """Where the answers to one call go. `ticket` is a UUID, with every call another one; `separator` is Kombu's."""

    ticket: str
    separator: str = SEPARATOR

    @property
    def queue(self) -> str:
        """The list that workers push to."""
        return f"{self.ticket}.{REPLY_EXCHANGE}"

    @property
    def binding(self) -> str:
        """The member of `BINDINGS` without which no answer arrives: routing key, pattern, queue."""
        return f"{self.ticket}{self.separator}{self.separator}{self.queue}"


def seal_command(
    command: Command,
    audience: Audience = ALL,
    *,
    delivery_tag: str,
    clock: int = 1,
    reply_to: ReplyAddress | None = None,
) -> bytes:
    """The broadcast of a command; workers answer it when there is an address to `reply_to`."""
    body: dict[str, Any] = {"method": command.method, "arguments": command.arguments, **audience.fields()}
    if reply_to:
        address = {"exchange": REPLY_EXCHANGE, "routing_key": reply_to.ticket}
        body |= {"ticket": reply_to.ticket, "reply_to": address}
    headers = {"clock": clock, "expires": NEVER_EXPIRES}
    return seal_broadcast(body, headers, exchange=EXCHANGE, routing_key="", delivery_tag=delivery_tag, mode=PERSISTENT)


def read_reply(data: bytes, ticket: str) -> dict[str, Any] | None:
    """What a worker replied, by its name; None when it replies to another call than that of `ticket`.

    Raises:
        UnreadableBytes: not a reply, or in a serialization that cannot be read here.
    """
    headers, reply = open_message(data)
    if "ticket" not in headers:
        raise UnreadableBytes(f"a reply that does not say to which call: {data[:80]!r}")
    if not isinstance(reply, dict):
        raise UnreadableBytes(f"not a worker's reply: {data[:80]!r}")
    return reply if headers["ticket"] == ticket else None


def queues_of(reply: object) -> list[str] | None:
    """The names in a worker's reply to `ACTIVE_QUEUES`; None when it tells nothing of queues."""
    if not isinstance(reply, list):
        return None
    return [str(queue["name"]) for queue in reply if isinstance(queue, dict) and "name" in queue]


def hears_by(reply: object, queue: str) -> str | None:
    """The fanout exchange that a worker hears by this queue, by its reply to `ACTIVE_QUEUES`; None when it does not."""
    for one in reply if isinstance(reply, list) else ():
        if isinstance(one, dict) and one.get("name") == queue and isinstance(exchange := one.get("exchange"), dict):
            return str(exchange.get("name")) if exchange.get("type") == "fanout" else None
    return None


def processes_of(reply: object) -> int | None:
    """How many processes, threads or greenlets run tasks, by a worker's reply to `STATS`; None when it does not say."""
    pool = reply.get("pool") if isinstance(reply, dict) else None
    if not isinstance(pool, dict):
        return None
    processes, limit = pool.get("processes"), pool.get("max-concurrency")
    if isinstance(processes, list):
        return len(processes)
    return limit if isinstance(limit, int) else None
