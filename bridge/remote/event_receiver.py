"""The event receiver: everything that is said on ``celeryev``."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial

from bridge.errors import BrokerUnavailable, UnreadableBytes
from bridge.naming import broker_keys
from bridge.protocol.events import CeleryEvent, read_events
from bridge.redis import Echo, Published, Redis

logger = logging.getLogger(__name__)
RECONNECT_SECONDS = 0.5


class EventReceiver:
    """Celery's events on a broker: as bytes, of which `bridge.protocol.events` says what they mean, or read."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def published(self, echo: Echo | None = None) -> AsyncGenerator[Published, None]:
        """Every message as it is published, until the connection breaks. What nobody hears is gone."""
        return self._redis.listen(broker_keys(self._redis).every_event, echo)

    async def events(self) -> AsyncGenerator[CeleryEvent, None]:
        """Every event as it is published, for ever; reconnects by itself. What is said meanwhile is gone.

        A reader that falls far behind is cut off by Redis (``client-output-buffer-limit``), and connects anew.

        Raises:
            BrokerUnavailable: there was no connection to begin with.
            ClientClosed: the connection to the broker was closed here.
        """
        has_begun = False
        while True:
            try:
                async with aclosing(self.published()) as messages:
                    async for message in messages:
                        has_begun = True
                        for event in _read(message):
                            yield event
            except BrokerUnavailable as error:
                if not has_begun:
                    raise
                logger.warning("events are missed until Redis is back: %s", error)
            await asyncio.sleep(RECONNECT_SECONDS)


def _read(message: Published) -> Iterator[CeleryEvent]:
    """The events in a message; what cannot be read is passed over, and logged."""
    if message.begins:
        return
    try:
        events = read_events(message.data, partial(logger.warning, "passed over what is no event: %.200r"))
    except UnreadableBytes as error:
        logger.warning("passed over a message on %s: %s", message.channel, error)
        return
    for event in events:
        try:
            yield CeleryEvent.of(event)
        except UnreadableBytes as error:
            logger.warning("passed over an event on %s: %s", message.channel, error)
