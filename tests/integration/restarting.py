"""A server that goes away and comes back."""

from app.cli.processes.child import Child
from bridge.redis import Redis

WRITTEN_WITHIN_MS = 5_000


async def kill(server: Child, redis: Redis) -> None:
    """Kill it once its file has all that it was told."""
    await redis.execute("WAITAOF", 1, 0, WRITTEN_WITHIN_MS)
    await server.kill()


async def restart(server: Child) -> None:
    """Start it again, on its port and with its data."""
    await server.start()
    await server.ready()
