"""The mailbox: remote control of workers, Kombu's pidbox."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bridge.errors import BrokerUnavailable, InvalidMessage, PublisherBusy, UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol import commands
from bridge.protocol.bindings import other_layout
from bridge.protocol.commands import Command
from bridge.protocol.control import (
    ALL,
    BINDING_LIFE_MS,
    BINDINGS,
    DEADLINES,
    REPLY_EXCHANGE,
    Audience,
    ReplyAddress,
    read_reply,
    seal_command,
)
from bridge.protocol.values import check_type
from bridge.redis import Redis, Script

logger = logging.getLogger(__name__)
Replies = dict[str, Any]
"""What each worker replied, by its name: ``{"celery@w1": {"ok": "pong"}}``."""
MAX_CALLS = 16
"""Calls of one client that may wait for replies at once, each on a connection of its own. More wait for their turn, and
are not sent when it has not come in their time."""
DEFAULT_TIMEOUT, MAX_TIMEOUT = 1.0, 600.0
"""Seconds; the first as in Celery."""
ANSWER_SECONDS = 0.5
"""How long Redis may take in any case to have a command published, and to say that no reply came in time."""
MAX_REPLIES = 10_000
LATE_MS = 60_000
"""How long a list lives that a reply may still come to after its call has ended."""
MOST_LEFT = 1_000
"""Calls whose binding could not be taken out again that are remembered, until the next call. With more, the bindings of
the oldest stay: each is a short text that nobody answers to."""
SHORTEST_WAIT = 0.01
"""A blocking read of 0 seconds would wait for ever, and some servers round what is less than this to 0."""
_NO_REPLIES = (
    "Workers find there where replies go, so that none would come, and nothing was sent. Orders need no replies: leave "
    "out `reply`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long the whole call may take (seconds), and for how many replies to wait at the most.

    Raises:
        InvalidMessage: neither can be.
    """

    timeout: float = DEFAULT_TIMEOUT
    limit: int | None = None

    def __post_init__(self) -> None:
        check_type(self.timeout, (int, float), "/timeout")
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise InvalidMessage("/timeout", f"must be a number of seconds above 0, and {MAX_TIMEOUT:.0f} at the most")
        if self.limit is None:
            return
        check_type(self.limit, (int,), "/limit")
        if self.limit < 1:
            raise InvalidMessage("/limit", "must be 1 or more; leave it out to wait for all")


class Mailbox:
    """Tells the workers of a broker what to do, and hears what they reply. `new_id` gives a fresh UUID each time."""

    def __init__(self, redis: Redis, new_id: Callable[[], str]) -> None:
        self.redis = redis
        """The gateway that commands are sent through."""
        self._names = broker_keys(redis)
        self._new_id = new_id
        self._clock = itertools.count(1)
        self._left: deque[ReplyAddress] = deque(maxlen=MOST_LEFT)
        self._lines = asyncio.Semaphore(MAX_CALLS)
        self._call, self._hang_up = Script("call"), Script("hang_up")

    def __repr__(self) -> str:
        return f"<Mailbox {self.redis!r} lines_busy={self._lines.locked()}>"

    async def revoke(self, task_id: str, *, terminate: bool = False, signal: str = "SIGTERM") -> int:
        """Tell all workers to discard a task, and with `terminate` to end the process that runs it.

        Returns how many workers heard it.

        Raises:
            InvalidMessage: `signal` is no name of a signal.
            BrokerUnavailable: Redis does not answer.
        """
        return await self.cast(commands.revoke(task_id, terminate=terminate, signal=signal))

    async def cast(self, command: Command, audience: Audience = ALL) -> int:
        """Send a command to which nobody replies; how many workers heard it, also those that are not meant.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        data = seal_command(command, audience, delivery_tag=self._new_id(), clock=next(self._clock))
        return int(await self.redis.execute("PUBLISH", self._channel, data))

    async def call(self, command: Command, audience: Audience, wait: Wait) -> Replies:
        """Send a command and gather the replies: of as many as are meant and heard it, or what came in time.

        What is left to be done when it ends is done behind its back, at the latest as the gateway closes; when Redis is
        away then, with the next call.

        Raises:
            PublisherBusy: its turn did not come in time, since too many calls wait; nothing was sent.
            BrokerUnavailable: Redis does not answer, or went away meanwhile.
            UnreadableBytes: the bindings of replies are not kept as Kombu keeps them; nothing was sent.
        """
        self.redis.check()  # before it stands in line with calls of another loop
        now = asyncio.get_running_loop().time
        deadline = now() + wait.timeout
        address = ReplyAddress(ticket=self._new_id(), separator=self._names.separator)
        async with self._line(deadline), self.redis.popping(self._names.key(address.queue)) as pop:
            self._end_what_is_left()
            missing = 1
            try:
                async with _answered_by(max(deadline, now() + ANSWER_SECONDS)):
                    heard = await self._publish(command, audience, address)
                known = (limit for limit in (wait.limit, audience.named) if limit is not None)
                inbox = _Replies(address.ticket, min(heard, MAX_REPLIES, *known))
                async with _answered_by(deadline + ANSWER_SECONDS):
                    await inbox.gather(pop, deadline)
                missing = heard - inbox.count
            finally:
                self._end(address, LATE_MS if missing else 0)
        return inbox.replies

    @asynccontextmanager
    async def _line(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                await self._lines.acquire()
        except TimeoutError as error:
            raise PublisherBusy(MAX_CALLS) from error
        try:
            yield
        finally:
            self._lines.release()

    @property
    def _channel(self) -> str:
        return self._names.pidbox_channel

    async def _publish(self, command: Command, audience: Audience, address: ReplyAddress) -> int:
        tag, clock = self._new_id(), next(self._clock)
        data = seal_command(command, audience, delivery_tag=tag, clock=clock, reply_to=address)
        keys = (self._names.key(BINDINGS), self._names.key(DEADLINES))
        args = (address.binding, REPLY_EXCHANGE, BINDING_LIFE_MS, self._channel, data)
        heard = await self.redis.run(self._call, keys, args)
        if isinstance(heard, bytes):
            raise UnreadableBytes(other_layout(keys[0], heard.decode(), _NO_REPLIES))
        return int(heard)

    def _end_what_is_left(self) -> None:
        left = list(self._left)
        self._left.clear()
        for address in left:
            self._end(address, LATE_MS)

    def _end(self, address: ReplyAddress, late_ms: int) -> None:
        keys = (self._names.key(BINDINGS), self._names.key(address.queue))
        command = ("EVAL", self._hang_up.text, len(keys), *keys, address.binding, late_ms)
        self.redis.hand_over(
            *command,
            otherwise="a call of remote control leaves its binding behind",
            undone=lambda: self._left.append(address),
        )


@asynccontextmanager
async def _answered_by(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise BrokerUnavailable("it did not answer within the time of the call") from error


class _Replies:
    """The replies to one call: `expected` of them at the most."""

    def __init__(self, ticket: str, expected: int) -> None:
        self._ticket = ticket
        self._expected = expected
        self.replies: Replies = {}
        self.count = 0

    async def gather(self, pop: Callable[[float], Awaitable[bytes | None]], deadline: float) -> None:
        """Take replies until all have come, or the time is over."""
        now = asyncio.get_running_loop().time
        while self.count < self._expected and (left := deadline - now()) > 0:
            if data := await pop(max(left, SHORTEST_WAIT)):
                self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            reply = read_reply(data, self._ticket)
        except UnreadableBytes as error:  # for example of a worker that is told to serialize by pickle
            logger.warning("passed over a worker's reply: %s", error)
            reply = {}
        if reply is None:
            return
        if twice := self.replies.keys() & reply.keys():
            logger.warning("more than one worker is called %s; give each a name of its own", ", ".join(twice))
        self.count += 1
        self.replies |= reply
