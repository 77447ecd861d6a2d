"""The commands of remote control and their arguments, as a worker takes them (celery/worker/control.py).

Each function here is named as in Celery's ``app.control`` and ``app.control.inspect``, and gives the arguments in the
order in which Celery sends them. All raise `InvalidMessage`, naming the bad argument, for what a worker cannot use.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import InvalidMessage
from bridge.protocol.keys import is_own_exchange, is_taken
from bridge.protocol.message import MAX_LIMIT, MIN_HARD_LIMIT
from bridge.protocol.values import check_json, check_name, check_task_id, check_type

MAX_IDS = 10_000
"""Ids in one command. A worker remembers 50,000 revoked ones."""
MAX_STAMPS = 1_000
MAX_PROCESSES = 1_000
"""Pool processes by which one command may change a worker."""
EXCHANGE_TYPES = ("direct", "topic", "fanout")
"""Those of Kombu. A worker that is told to consume from an exchange of another type exits."""
# fmt: off
SIGNALS = frozenset({
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO",
    "SIGKILL", "SIGPIPE", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS",
    "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
    "SIGWINCH", "SIGXCPU", "SIGXFSZ",
})
# fmt: on
_TOPIC = re.compile(r"(?:\*|#|[\w:@=-]+)(?:\.(?:\*|#|[\w:@=-]+))*")
"""Kombu makes a regular expression of such a key, and every producer that uses the exchange fails where it is none."""
_NO_CHANNEL = re.compile(r"[/*?\[\]\\]")
"""A worker listens to the channel of a fanout exchange by a pattern, and Kombu takes what it hears there for a message
to an exchange whose name ends at the first slash. It exits when it does not know that."""
_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?(/[smh])?")
MIN_RATE, MAX_RATE = 1e-9, 10**9
"""Tasks a second, as in the texts. A worker that is given more than its floats hold cannot set a limit ever again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a worker is to do: the name of the command, and its arguments as JSON."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def revoke(task_id: str | Sequence[str], *, terminate: bool, signal: str) -> Command:
    """Discard a task, or several; with `terminate` send `signal` to the processes that run them."""
    ids = task_id if isinstance(task_id, str) else listed(task_id, "/task_id")
    _check_ids([ids] if isinstance(ids, str) else ids, "/task_id")
    return Command(method="revoke", arguments={"task_id": ids, **_ending(terminate, signal)})


def revoke_by_stamped_headers(headers: Mapping[str, str | Sequence[str]], *, terminate: bool, signal: str) -> Command:
    """Discard the tasks that have one of these stamps."""
    if not isinstance(headers, Mapping):
        raise InvalidMessage("/headers", "must be an object of stamps, for example {'tenant': 'acme'}")
    stamps = {
        name: value if isinstance(value, str) else listed(value, f"/headers/{name}") for name, value in headers.items()
    }
    _check_stamps(stamps)
    return Command(method="revoke_by_stamped_headers", arguments={"headers": stamps, **_ending(terminate, signal)})


def _ending(terminate: bool, signal: str) -> dict[str, Any]:
    check_type(signal, (str,), "/signal")
    if signal not in SIGNALS:
        raise InvalidMessage("/signal", "must be the name of a signal, for example SIGTERM")
    return {"terminate": bool(terminate), "signal": signal}


def listed(value: Any, pointer: str) -> list[Any]:
    """A copy of what is given as a list; `InvalidMessage` for one text, and for what is no list at all."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        raise InvalidMessage(pointer, "must be a list of texts")
    return list(value)


def _check_ids(ids: Sequence[str], pointer: str) -> None:
    if not 0 < len(ids) <= MAX_IDS:
        raise InvalidMessage(pointer, f"must be 1 to {MAX_IDS:,} ids")
    for task_id in ids:
        check_type(task_id, (str,), pointer)
        check_task_id(task_id, pointer)


def _check_stamps(stamps: Mapping[str, str | Sequence[str]]) -> None:
    check_json(stamps, "/headers")
    if not 0 < len(stamps) <= MAX_STAMPS:
        raise InvalidMessage("/headers", f"must be 1 to {MAX_STAMPS:,} stamps")
    for name, value in stamps.items():
        check_name(name, "/headers")
        values = [value] if isinstance(value, str) else value
        if not 0 < len(values) <= MAX_STAMPS or not all(isinstance(one, str) for one in values):
            raise InvalidMessage(f"/headers/{name}", f"must be a text, or a list of 1 to {MAX_STAMPS:,} texts")


def active(safe: bool | None) -> Command:
    """The tasks that run; `safe` is Celery's, who does nothing with it any more."""
    if safe is not None and not isinstance(safe, bool):
        raise InvalidMessage("/safe", "must be True, False or None")
    return Command(method="active", arguments={"safe": safe})


def query_task(ids: Sequence[str]) -> Command:
    """What becomes of these tasks at the workers that have them."""
    _check_ids(ids, "/ids")
    return Command(method="query_task", arguments={"ids": list(ids)})


def registered(taskinfoitems: Sequence[str]) -> Command:
    """The task types of a worker, each with these attributes."""
    for item in taskinfoitems:
        check_name(item, "/taskinfoitems")
    return Command(method="registered", arguments={"taskinfoitems": list(taskinfoitems)})


def rate_limit(task_name: str, rate_limit: str | float | None) -> Command:
    """How often tasks of a type may start: a number a second, or a text such as ``"100/m"``; 0 or None for no limit."""
    check_name(task_name, "/task_name")
    if rate_limit is not None and not _is_rate(rate_limit):
        raise InvalidMessage(
            "/rate_limit",
            "must be a number of tasks a second, at the most a billion, or a text such as 10/s, 100/m or 5/h",
        )
    return Command(method="rate_limit", arguments={"task_name": task_name, "rate_limit": rate_limit})


def _is_rate(rate: Any) -> bool:
    if isinstance(rate, str):
        return bool(_RATE.fullmatch(rate))
    is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
    return is_number and (rate == 0 or MIN_RATE <= rate <= MAX_RATE)


def time_limit(task_name: str, *, soft: float | None, hard: float | None) -> Command:
    """How long tasks of a type may run, in seconds; None for no limit."""
    check_name(task_name, "/task_name")
    for name, seconds in (("soft", soft), ("hard", hard)):
        if seconds is not None:
            _check_seconds(seconds, f"/{name}")
    if hard is not None and hard < MIN_HARD_LIMIT:
        raise InvalidMessage("/hard", f"must be at least {MIN_HARD_LIMIT} seconds; a worker hangs with less")
    if soft is not None and hard is not None and soft > hard:
        raise InvalidMessage("/soft", "must not be longer than hard")
    return Command(method="time_limit", arguments={"task_name": task_name, "hard": hard, "soft": soft})


def _check_seconds(seconds: float, pointer: str) -> None:
    check_type(seconds, (int, float), pointer)
    if not 0 < seconds <= MAX_LIMIT:
        raise InvalidMessage(pointer, "must be a number of seconds above 0, and a year at the most")


def pool_grow(n: int) -> Command:
    """Add so many processes."""
    return _resize("pool_grow", n)


def pool_shrink(n: int) -> Command:
    """Take so many processes away."""
    return _resize("pool_shrink", n)


def _resize(method: str, n: int) -> Command:
    _check_count(n, "/n", at_least=1)
    return Command(method=method, arguments={"n": n})


def autoscale(max: int, min: int) -> Command:  # noqa: A002  # Celery's names of these arguments
    """Let the number of processes move between these."""
    _check_count(max, "/max", at_least=1)
    _check_count(min, "/min", at_least=0)
    if min > max:
        raise InvalidMessage("/min", "must not be above max")
    return Command(method="autoscale", arguments={"max": max, "min": min})


def _check_count(count: int, pointer: str, *, at_least: int) -> None:
    if type(count) is not int or not at_least <= count <= MAX_PROCESSES:
        raise InvalidMessage(pointer, f"must be a whole number from {at_least} to {MAX_PROCESSES:,}")


def pool_restart(modules: Sequence[str] | None, *, reload: bool) -> Command:
    """Start the pool anew, and import these modules (all of the app's when None), with `reload` once more."""
    names = None if modules is None else listed(modules, "/modules")
    for name in names or ():
        check_name(name, "/modules")
    return Command(method="pool_restart", arguments={"modules": names, "reload": bool(reload), "reloader": None})


def add_consumer(queue: str, *, exchange: str | None, exchange_type: str, routing_key: str | None) -> Command:
    """Take tasks of one more queue. Exchange and routing key are named as the queue where not given."""
    _check_queue(queue)
    for name, value in (("exchange", exchange), ("routing_key", routing_key)):
        if value is not None:
            check_name(value, f"/{name}")
    if exchange_type not in EXCHANGE_TYPES:
        raise InvalidMessage("/exchange_type", f"must be one of {', '.join(EXCHANGE_TYPES)}")
    if exchange_type == "topic" and not _TOPIC.fullmatch(routing_key or queue):
        raise InvalidMessage("/routing_key", "must be words of letters, digits and _ : @ = -, or * or #, between dots")
    _check_exchange(exchange or queue, exchange_type, "/queue" if exchange is None else "/exchange")
    arguments = {"queue": queue, "exchange": exchange, "exchange_type": exchange_type, "routing_key": routing_key}
    return Command(method="add_consumer", arguments=arguments)


def _check_exchange(exchange: str, exchange_type: str, pointer: str) -> None:
    if is_own_exchange(exchange):
        raise InvalidMessage(
            pointer,
            f"{exchange!r} is an exchange of Celery's own, by which its processes talk to each other: a worker that "
            "takes tasks from it exits",
        )
    if exchange_type == "fanout" and _NO_CHANNEL.search(exchange):
        raise InvalidMessage(
            pointer, r"of the type fanout must have none of / * ? [ ] \ in its name, for Redis or Kombu"
        )


def cancel_consumer(queue: str) -> Command:
    """Take no more tasks of a queue."""
    _check_queue(queue)
    return Command(method="cancel_consumer", arguments={"queue": queue})


def _check_queue(queue: str) -> None:
    check_name(queue, "/queue")
    if is_taken(queue):
        raise InvalidMessage("/queue", f"{queue!r} is a name that Celery keeps for itself")
