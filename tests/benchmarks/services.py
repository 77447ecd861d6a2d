"""The processes that are measured, on free loopback ports with files in a folder of their own."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.cli.ports import free_port
from app.cli.processes.child import Service
from app.cli.processes.supervisor import Supervisor
from app.cli.stack.embedded import embedded_server, find_binary, server_url
from app.cli.stack.readiness import answers_ok


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A Redis that runs, and whatever else is started in it; all of it ends with `open_bench`."""

    supervisor: Supervisor
    http: httpx.AsyncClient
    redis_url: str
    redis_port: int

    async def start(self, name: str, argv: tuple[str, ...], port: int, env: Mapping[str, str]) -> int:
        """Start a web server and wait for its /healthz; its process id."""
        ready = answers_ok(self.http, f"http://127.0.0.1:{port}/healthz")
        child = await self.supervisor.start(Service(name=name, argv=argv, env=env, ready=ready))
        await child.ready()
        assert child.pid is not None
        return child.pid

    async def start_api(self, port: int, **settings: str) -> int:
        """Start the API as `petiole api` does; its process id."""
        env = {
            "PETIOLE_REDIS_URL": self.redis_url,
            "PETIOLE_PORT": str(port),
            "PETIOLE_LOG_LEVEL": "warning",
            **settings,
        }
        return await self.start("api", (sys.executable, "-m", "app.cli", "api"), port, env)


@asynccontextmanager
async def open_bench() -> AsyncIterator[Bench]:
    """An embedded server in a temporary folder."""
    port = free_port()
    with TemporaryDirectory(prefix="petiole-bench-") as folder:
        async with httpx.AsyncClient(trust_env=False) as http, Supervisor() as supervisor:
            server = await supervisor.start(embedded_server(find_binary(), port, Path(folder)))
            await server.ready()
            yield Bench(supervisor=supervisor, http=http, redis_url=server_url(port), redis_port=port)
