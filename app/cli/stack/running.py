"""All of Petiole on this machine: a server unless one is named, the API, the watcher, a worker and Flower."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from app.cli.errors import PortBusy
from app.cli.ports import LOOPBACK, free_port, is_free
from app.cli.processes.child import Sink
from app.cli.processes.supervisor import Supervisor
from app.cli.roles import programs
from app.cli.stack.embedded import embedded_server, find_binary, server_directory, server_url, sole_user_of
from app.cli.stack.services import Addresses, stack_services
from app.settings import Settings
from bridge.redis import Redis

ASK_WITHIN = 5.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that is ready, as long as the `async with` of `run_stack` lasts."""

    settings: Settings
    supervisor: Supervisor

    @property
    def addresses(self) -> Addresses:
        """Where it answers."""
        return Addresses.of(self.settings)

    @property
    def ports(self) -> list[tuple[str, int]]:
        """The hosts and ports that its own processes listen on."""
        embedded = urlsplit(self.settings.redis_url).port if "redis" in self.supervisor.names else None
        redis = [(LOOPBACK, embedded)] if embedded else []
        return [*redis, (self.settings.host, self.settings.port), (self.settings.host, self.settings.flower_port)]


@contextlib.asynccontextmanager
async def run_stack(
    settings: Settings, files: Path, sink: Sink, tell_ready: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """Start everything, wait until it is ready, and stop it at the end. An embedded server keeps its data in `files`.

    `tell_ready` is called with the name of each service when that is ready.

    Raises:
        RoleNotInstalled, PortBusy, NoServerBinary, ServerFilesInUse: before anything was started.
        BrokerUnavailable: likewise, when the server that was named does not answer.
        ChildDied, ChildNotReady: after everything that had been started was stopped again.
    """
    must_be_able_to_run(settings)
    with contextlib.ExitStack() as held:
        async with httpx.AsyncClient(timeout=ASK_WITHIN, trust_env=False) as http, Supervisor(sink) as supervisor:
            if names_a_server(settings):
                await _must_answer(settings)
            else:
                settings = await _start_server(settings, files, supervisor, held)
                tell_ready("redis")
            for child in [await supervisor.start(service) for service in stack_services(settings, http)]:
                await child.ready()
                tell_ready(child.name)
            yield Stack(settings=settings, supervisor=supervisor)


def must_be_able_to_run(settings: Settings) -> None:
    """Raises RoleNotInstalled or PortBusy, before anything is started, when a part of the stack could not run."""
    for role in (programs.API, programs.WATCHER, programs.WORKER, programs.FLOWER):
        role.must_be_installed()
    for name, port in (("api", settings.port), ("flower", settings.flower_port)):
        if not is_free(settings.host, port):
            variable = "PETIOLE_PORT" if name == "api" else "PETIOLE_FLOWER_PORT"
            raise PortBusy(name, settings.host, port, variable)


def names_a_server(settings: Settings) -> bool:
    """Whether somebody said which Redis to use. If nobody did, one is started."""
    return "redis_url" in settings.model_fields_set


async def _must_answer(settings: Settings) -> None:
    async with Redis.open(settings.broker, settings) as redis:
        await redis.execute("PING")


async def _start_server(
    settings: Settings, files: Path, supervisor: Supervisor, held: contextlib.ExitStack
) -> Settings:
    """Start an embedded server, holding its files until `held` ends; the settings that name it."""
    binary, port = find_binary(), free_port()
    directory = server_directory(files, binary)
    held.enter_context(sole_user_of(directory))
    server = await supervisor.start(embedded_server(binary, port, directory))
    await server.ready()
    return settings.model_copy(update={"redis_url": server_url(port)})
