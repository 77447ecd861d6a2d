"""Remote control: ask the workers of an installation what they do, and tell them what to do.

Names, arguments and replies are those of Celery's ``app.control`` and ``app.control.inspect``. What is different:

- Every call is awaited, and gives the replies as one dict by the workers' names, ``{}`` when there are none.
- It returns as soon as every worker that heard the command has replied, not only at the end of its timeout.
- The timeout is for the whole call, not for each reply; a reply that comes later is dropped. Where Redis itself does
  not answer, the call raises `BrokerUnavailable` at most half a second after it.
- A command never expires, so that a clock that is wrong makes no worker deaf (see `bridge.protocol.control`).
- A pattern without a matcher is a glob that the workers look at; Celery sends such a command to all of them.
- An empty `destination` is refused; Celery's workers take it for all.
- What would end or paralyse a worker is refused, also when only Redis or the workers can tell; see `add_consumer`,
  `cancel_consumer` and `pool_shrink`.

A worker of the solo pool replies between tasks only. What a worker cannot do is a reply too: ``{"error": "…"}``.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypedDict, Unpack

from bridge.protocol import commands
from bridge.protocol.commands import Command
from bridge.protocol.control import Audience
from bridge.remote.mailbox import DEFAULT_TIMEOUT, SHORTEST_WAIT, Mailbox, Replies, Wait
from bridge.remote.precautions import Precautions


class Reach(TypedDict, total=False):
    """Which workers are meant, see `bridge.protocol.control.Audience`; all when nothing is said."""

    destination: Sequence[str] | None
    pattern: str | None
    matcher: str | None


class Inquiry(Reach, total=False):
    """And how long to wait for their replies in seconds, by default 1, and for how many at the most."""

    timeout: float
    limit: int | None


class Order(Inquiry, total=False):
    """And whether to wait for replies at all; by default, as in Celery, a call that orders something does not."""

    reply: bool


Precaution = Callable[[Audience, Wait], Awaitable[None]]
"""What is to be looked up before an order."""


class TaskControl:
    """Remote control of the workers, at hand as `TaskClient.control`.

    Each method raises `InvalidMessage` for what no worker could use, naming the argument, and `BrokerUnavailable` when
    Redis does not answer. One that waits for replies raises `PublisherBusy` when too many calls of this client wait, so
    that its turn has not come in its time, and `UnreadableBytes` when Redis has something else where Kombu keeps the
    addresses of replies; in both cases nothing was sent.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._precautions = Precautions(mailbox)

    def __repr__(self) -> str:
        return f"<TaskControl {self._mailbox!r}>"

    async def _ask(self, command: Command, inquiry: Inquiry) -> Replies:
        return await self._mailbox.call(command, _audience(inquiry, Inquiry), _wait(inquiry))

    async def _ask_for(self, method: str, inquiry: Inquiry) -> Replies:
        return await self._ask(Command(method=method), inquiry)

    async def _order(self, command: Command, order: Order, after: Precaution | None = None) -> Replies:
        audience, wait = _audience(order, Order), _wait(order)
        if after:
            begun = time.monotonic()
            await after(audience, wait)
            wait = replace(wait, timeout=max(wait.timeout + begun - time.monotonic(), SHORTEST_WAIT))
        if order.get("reply"):
            return await self._mailbox.call(command, audience, wait)
        await self._mailbox.cast(command, audience)
        return {}

    # What workers are asked

    async def ping(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """Who is there: ``{"celery@w1": {"ok": "pong"}}``."""
        return await self._ask_for("ping", inquiry)

    async def stats(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """Counts and resources of each worker: ``total``, ``pool``, ``broker``, ``rusage``, ``uptime``, …"""
        return await self._ask_for("stats", inquiry)

    async def clock(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The logical clock: ``{"celery@w1": {"clock": 12}}``."""
        return await self._ask_for("clock", inquiry)

    async def report(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """Versions and settings as a text for bug reports: ``{"ok": "…"}``."""
        return await self._ask_for("report", inquiry)

    async def conf(self, *, with_defaults: bool = False, **inquiry: Unpack[Inquiry]) -> Replies:
        """The configuration, what is secret in it left out; `with_defaults` also what was not set."""
        return await self._ask(Command(method="conf", arguments={"with_defaults": bool(with_defaults)}), inquiry)

    async def active(self, *, safe: bool | None = None, **inquiry: Unpack[Inquiry]) -> Replies:
        """The tasks that run: ``[{"id", "name", "args", "kwargs", "time_start", "delivery_info", …}]``."""
        return await self._ask(commands.active(safe), inquiry)

    async def reserved(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The tasks that a worker has taken and not begun; each as in `active`."""
        return await self._ask_for("reserved", inquiry)

    async def scheduled(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The tasks that wait at a worker for their time: ``[{"eta", "priority", "request": …}]``."""
        return await self._ask_for("scheduled", inquiry)

    async def revoked(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The ids that a worker would discard."""
        return await self._ask_for("revoked", inquiry)

    async def registered(self, *taskinfoitems: str, **inquiry: Unpack[Inquiry]) -> Replies:
        """The names of the task types, each with these attributes: ``["mail.send [rate_limit=10/m]"]``."""
        return await self._ask(commands.registered(taskinfoitems), inquiry)

    async def active_queues(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The queues that a worker takes tasks from: ``[{"name", "exchange", "routing_key", …}]``."""
        return await self._ask_for("active_queues", inquiry)

    async def query_task(self, *ids: str, **inquiry: Unpack[Inquiry]) -> Replies:
        """Those of these tasks that a worker has: ``{id: ["active", {…}]}``."""
        return await self._ask(commands.query_task(ids), inquiry)

    async def memsample(self, **inquiry: Unpack[Inquiry]) -> Replies:
        """The memory in use, as a text; None from a worker that has no ``psutil``."""
        return await self._ask_for("memsample", inquiry)

    # What workers are told

    async def revoke(
        self,
        task_id: str | Sequence[str],
        *,
        terminate: bool = False,
        signal: str = "SIGTERM",
        **order: Unpack[Order],
    ) -> Replies:
        """Discard a task, or several, when their turn comes; with `terminate` send `signal` to what runs them."""
        return await self._order(commands.revoke(task_id, terminate=terminate, signal=signal), order)

    async def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, str | Sequence[str]],
        *,
        terminate: bool = False,
        signal: str = "SIGTERM",
        **order: Unpack[Order],
    ) -> Replies:
        """Discard the tasks that have one of these stamps, for example ``{"tenant": ["acme", "odd"]}``."""
        command = commands.revoke_by_stamped_headers(headers, terminate=terminate, signal=signal)
        return await self._order(command, order)

    async def terminate(
        self, task_id: str | Sequence[str], *, signal: str = "SIGTERM", **order: Unpack[Order]
    ) -> Replies:
        """`revoke` with `terminate`."""
        return await self.revoke(task_id, terminate=True, signal=signal, **order)

    async def rate_limit(self, task_name: str, rate_limit: str | float | None, **order: Unpack[Order]) -> Replies:
        """Start tasks of a type no more often: ``"100/m"``, or a number a second; 0 or None for no limit."""
        return await self._order(commands.rate_limit(task_name, rate_limit), order)

    async def time_limit(
        self, task_name: str, soft: float | None = None, hard: float | None = None, **order: Unpack[Order]
    ) -> Replies:
        """Let tasks of a type run no longer, in seconds; None for no limit.

        Workers say that it is set, and go by it from when they next connect to the broker or their pool is restarted:
        so do those of Celery 5.3 to 5.7. The `time_limit` of a submit counts at once.
        """
        return await self._order(commands.time_limit(task_name, soft=soft, hard=hard), order)

    async def pool_grow(self, n: int = 1, **order: Unpack[Order]) -> Replies:
        """Add so many processes to the pool."""
        return await self._order(commands.pool_grow(n), order)

    async def pool_shrink(self, n: int = 1, **order: Unpack[Order]) -> Replies:
        """Take so many processes out of the pool; refused where it would leave none.

        The workers are asked for their pools before, within the timeout. One that does not reply in time is told.
        """
        return await self._order(commands.pool_shrink(n), order, partial(self._precautions.shrinking, n))

    async def autoscale(self, max: int, min: int, **order: Unpack[Order]) -> Replies:  # noqa: A002  # Celery's names
        """Let the pool's size move between these, where a worker was started with ``--autoscale``."""
        return await self._order(commands.autoscale(max, min), order)

    async def pool_restart(
        self, modules: Sequence[str] | None = None, *, reload: bool = False, **order: Unpack[Order]
    ) -> Replies:
        """Start the pool anew, where ``worker_pool_restarts`` allows it."""
        return await self._order(commands.pool_restart(modules, reload=reload), order)

    async def add_consumer(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str = "direct",
        routing_key: str | None = None,
        **order: Unpack[Order],
    ) -> Replies:
        """Take tasks of one more queue. What Celery calls `options` is not taken.

        Refused is what would end a worker: Celery's own exchanges, a key that is no queue, and another type than the
        exchange has. Its bindings in Redis tell of that, and who listens: a fanout exchange that nobody listens to is
        taken for a direct one. What a busy worker has been told, and has not done yet, is not seen.
        """
        command = commands.add_consumer(queue, exchange=exchange, exchange_type=exchange_type, routing_key=routing_key)
        await self._precautions.consuming(command)
        return await self._order(command, order)

    async def cancel_consumer(self, queue: str, **order: Unpack[Order]) -> Replies:
        """Take no more tasks of a queue; refused for one by which a worker hears a fanout exchange.

        The workers are asked for their queues before, within the timeout. One that does not reply in time is told.
        """
        return await self._order(commands.cancel_consumer(queue), order, partial(self._precautions.cancelling, queue))

    async def enable_events(self, **order: Unpack[Order]) -> Replies:
        """Tell of tasks by events, as workers started with ``-E`` do."""
        return await self._order(Command(method="enable_events"), order)

    async def disable_events(self, **order: Unpack[Order]) -> Replies:
        """Tell no more of tasks; the watcher then learns of them by the result backend alone.

        A worker that was started with ``-E`` goes on, since it sends events of all groups.
        """
        return await self._order(Command(method="disable_events"), order)

    async def heartbeat(self, **order: Unpack[Order]) -> Replies:
        """Send a heartbeat at once. The reply is None."""
        return await self._order(Command(method="heartbeat"), order)

    async def shutdown(self, **reach: Unpack[Reach]) -> None:
        """Stop when the tasks that run have ended. No worker replies to this."""
        await self._mailbox.cast(Command(method="shutdown"), _audience(reach))


def _audience(reach: Reach, known: type = Reach) -> Audience:
    for name in reach:
        if name not in known.__annotations__:  # a misspelt destination would mean all workers
            raise TypeError(f"there is no argument {name!r}; there are {', '.join(known.__annotations__)}")
    return Audience(destination=reach.get("destination"), pattern=reach.get("pattern"), matcher=reach.get("matcher"))


def _wait(inquiry: Inquiry) -> Wait:
    return Wait(timeout=inquiry.get("timeout", DEFAULT_TIMEOUT), limit=inquiry.get("limit"))
