"""A real installation on this machine: one server, and any number of API replicas, watchers, workers and Flowers.

Each is a process of its own, started by the command that users start it with.
"""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import httpx

from app.cli.ports import LOOPBACK, free_port
from app.cli.processes.child import Child, Service
from app.cli.processes.supervisor import Supervisor
from app.cli.stack.embedded import embedded_server, find_binary, server_url
from app.cli.stack.readiness import answers_ok
from bridge.redis import Redis
from bridge.settings import BridgeSettings
from tests.acceptance.api import Api
from tests.acceptance.logs import ProcessLog

ROOT = Path(__file__).parents[2]
START_WITHIN = 60.0
STOP_WITHIN = 5.0
HURRY_WITHIN = 3.0
STREAMS = httpx.Limits(max_connections=None)
FOLLOWING = "following;"
"""What a watcher prints when it hears the news."""
CONCURRENCY = 2
"""Tasks that a worker runs at once."""
STOCK_APP = "tests.acceptance.stock_tasks:app"
SHIPPED_APP = "workers.celery_app:app"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A server that runs, and the means to start the rest on it. `environment` is for every process of it."""

    port: int
    server: Child
    redis: Redis
    log: ProcessLog
    environment: Mapping[str, str]
    numbers: "itertools.count[int]"

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, *server_options: str, **environment: str) -> AsyncIterator[Self]:
        """A server of our own with its files in `directory`, and nothing else yet."""
        port, log = free_port(), ProcessLog()
        service = embedded_server(find_binary(), port, directory)
        server = Child(replace(service, argv=(*service.argv, "--loglevel", "warning", *server_options)), log.take)
        settings = BridgeSettings.load(redis_url=server_url(port))
        everywhere = {"PETIOLE_REDIS_URL": server_url(port), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        async with server, Redis.open(settings.redis_url, settings) as redis:
            yield cls(
                port=port,
                server=server,
                redis=redis,
                log=log,
                environment={**everywhere, **environment},
                numbers=itertools.count(1),
            )

    @property
    def redis_url(self) -> str:
        """Where the server is."""
        return server_url(self.port)

    @asynccontextmanager
    async def running(self, *services: Service) -> AsyncIterator[list[Child]]:
        """Start services together; they are ready inside of the block, and gone after it."""
        async with Supervisor(self.log.take) as supervisor:
            children = [await supervisor.start(service) for service in services]
            for child in children:
                await child.ready()
            yield children
            await asyncio.gather(*(child.stop() for child in children))

    @asynccontextmanager
    async def api(self, **environment: str) -> AsyncIterator[Api]:
        """One more replica of the API, which answers."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=START_WITHIN, trust_env=False, limits=STREAMS) as http:
            service = self.role("api", answers_ok(http, "/healthz"), PETIOLE_PORT=str(port), **environment)
            async with self.running(service) as (child,):
                yield Api(child=child, http=http)

    def watcher(self, **environment: str) -> Service:
        """One more watcher; ready when it hears the news."""
        name = f"watcher-{next(self.numbers)}"
        return self.role("watcher", self.prints(name, FOLLOWING), name=name, **environment)

    def worker(self, queue: str = "celery", *arguments: str, app: str = SHIPPED_APP, **environment: str) -> Service:
        """One more worker, of a queue; ready when it takes tasks."""
        name = f"worker-{next(self.numbers)}"
        told = {
            "PETIOLE_WORKER_QUEUES": queue,
            "PETIOLE_WORKER_APP": app,
            "PETIOLE_WORKER_CONCURRENCY": str(CONCURRENCY),
            **environment,
        }
        return self._patient(
            self.role("worker", self.prints(name, " ready."), "-n", f"{name}@%h", *arguments, name=name, **told)
        )

    def plain_celery_worker(self, queue: str, *arguments: str) -> Service:
        """A worker as Celery's own command starts it, which sends no task events."""
        name = f"celery-{next(self.numbers)}"
        told = ("-Q", queue, "-c", "1", "-n", f"{name}@%h", "-l", "info", *arguments)
        argv = (sys.executable, "-m", "celery", "-A", STOCK_APP, "worker", *told)
        return self._patient(self._service(name, argv, self.prints(name, " ready."), {}))

    @asynccontextmanager
    async def flower(self) -> AsyncIterator[httpx.AsyncClient]:
        """Flower, and a client of it."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=START_WITHIN, trust_env=False) as http:
            ready = answers_ok(http, "/healthcheck")
            told = {"PETIOLE_FLOWER_PORT": str(port), "FLOWER_UNAUTHENTICATED_API": "true"}
            async with self.running(self.role("flower", ready, **told)):
                yield http

    def role(
        self, role: str, ready: Callable[[], Awaitable[bool]], *arguments: str, name: str = "", **environment: str
    ) -> Service:
        """`petiole ROLE`, as users start it."""
        argv = (sys.executable, "-m", "app.cli", role, *arguments)
        return self._service(name or f"{role}-{next(self.numbers)}", argv, ready, environment)

    def _service(
        self, name: str, argv: tuple[str, ...], ready: Callable[[], Awaitable[bool]], environment: Mapping[str, str]
    ) -> Service:
        return Service(
            name=name,
            argv=argv,
            env={**self.environment, **environment},
            ready=ready,
            start_within=START_WITHIN,
            stop_within=STOP_WITHIN,
        )

    def _patient(self, worker: Service) -> Service:
        """A worker has processes of its own, and does not end while it cannot reach its broker."""
        return replace(worker, hurry_signal=signal.SIGQUIT, hurry_within=HURRY_WITHIN, guarded=True)

    def prints(self, name: str, text: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
        """Whether a process has printed this so often."""

        async def printed() -> bool:
            return self.log.times(name, text) >= times

        return printed
