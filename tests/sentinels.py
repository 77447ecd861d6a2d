"""Sentinels for tests, and servers with options for them to watch."""

import asyncio
from dataclasses import replace
from pathlib import Path

from app.cli.ports import LOOPBACK
from app.cli.processes.child import Child, Service
from app.cli.stack.embedded import find_binary
from tests.servers import redis_server

MASTER = "mymaster"
PASSWORD = "hush"  # noqa: S105  # of sentinels that live as long as a test


def sentinel(port: int, master_port: int, directory: Path, dead_after_ms: int = 500) -> Child:
    """A sentinel that takes a silent master for dead after half a second, and asks for a password."""
    directory.mkdir()
    file = directory / "sentinel.conf"
    lines = [
        f"port {port}",
        f"bind {LOOPBACK}",
        f"dir {directory}",
        f"sentinel monitor {MASTER} {LOOPBACK} {master_port} 1",
        f"sentinel down-after-milliseconds {MASTER} {dead_after_ms}",
        f"sentinel failover-timeout {MASTER} 5000",
        f"requirepass {PASSWORD}",
        "loglevel warning",
    ]
    file.write_text("\n".join(lines) + "\n")

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    return Child(Service(name="sentinel", argv=(str(find_binary().path), str(file), "--sentinel"), ready=listens))


def server(port: int, directory: Path, *options: str) -> Child:
    service = redis_server(port, directory).service
    return Child(replace(service, argv=(*service.argv, *options)))
