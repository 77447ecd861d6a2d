"""The health check of a watcher's container: exit 0 when the watcher of this host gave a sign of life lately."""

import asyncio
import socket
import sys
import time

from bridge import connect
from bridge.errors import PetioleError

SILENCE_SECONDS = 10
"""A watcher gives a sign of life every second; /readyz takes it for dead after the same time."""


async def is_alive(host: str) -> bool:
    """Whether the watcher of `host` was heard in the last `SILENCE_SECONDS`.

    Raises:
        BrokerUnavailable: Redis does not answer.
    """
    since = (time.time() - SILENCE_SECONDS) * 1000
    async with connect() as client:
        return any(watcher.at > since for watcher in await client.watchers() if watcher.name.rpartition(":")[0] == host)


def main() -> None:
    """Exit 0, or 1 with what is wrong on stderr."""
    host = socket.gethostname()
    try:
        alive = asyncio.run(is_alive(host))
    except PetioleError as error:
        sys.exit(str(error))
    if not alive:
        sys.exit(f"The watcher of {host} gave no sign of life for {SILENCE_SECONDS} s. Restart its container.")


if __name__ == "__main__":
    main()
