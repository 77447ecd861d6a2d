"""The event receiver: everything that is said on ``celeryev``."""

from collections.abc import AsyncGenerator

from bridge.protocol.keys import event_channel
from bridge.redis import Published, Redis


class EventReceiver:
    """Celery's events on a broker, as bytes; `bridge.protocol.events` says what they mean."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def published(self) -> AsyncGenerator[Published, None]:
        """Every message as it is published, until the connection breaks. What nobody hears is gone."""
        return self._redis.listen(event_channel(self._redis.database, "*"))
