"""The roles a process can have, and the command lines of the programs that play them. Pure but for `become`."""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from app.cli.errors import RoleNotInstalled
from app.cli.ports import is_loopback
from app.cli.roles.logs import WATCHER_LOG_AT
from app.settings import Settings

FLOWER_INSPECT_MS = 2_000
"""How long Flower waits for workers to answer; they answer between two tasks, so its own second is short."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role, the modules it cannot do without, and the extra of the package that has them."""

    name: str
    needs: tuple[str, ...]
    extra: str

    def must_be_installed(self) -> None:
        """Raises RoleNotInstalled when one of the modules is missing. Imports none of them."""
        if not all(importlib.util.find_spec(module) for module in self.needs):
            raise RoleNotInstalled(self.name, self.extra)


API = Role(name="api", needs=("fastapi", "uvicorn"), extra="api")
WATCHER = Role(name="watcher", needs=("arq",), extra="watcher")
WORKER = Role(name="worker", needs=("celery",), extra="workers")
FLOWER = Role(name="flower", needs=("celery", "flower"), extra="workers")


def watcher_argv(extra: Sequence[str] = ()) -> list[str]:
    """arq, running the bridge's watcher."""
    told = ["--custom-log-dict", WATCHER_LOG_AT]
    return [sys.executable, "-m", "arq", "bridge.watcher_process.WatcherSettings", *told, *extra]


def worker_argv(settings: Settings, extra: Sequence[str] = ()) -> list[str]:
    """A Celery worker that sends events. What is in `extra` comes last, so it overrules the settings."""
    queues = settings.worker_queues or settings.default_queue
    told = ["-E", "-c", str(settings.worker_concurrency), "-Q", queues, "--loglevel", settings.log_level]
    return [*_celery(settings), "worker", *told, *extra]


def flower_argv(settings: Settings, extra: Sequence[str] = ()) -> list[str]:
    """Flower on the API's host. It keeps nothing on disk: what it shows is what it heard since its start."""
    listen = [f"--address={settings.host}", f"--port={settings.flower_port}"]
    told = ["--persistent=False", f"--inspect_timeout={FLOWER_INSPECT_MS}", f"--logging={settings.log_level}"]
    return [*_celery(settings), "flower", *listen, *told, *extra]


def flower_env(settings: Settings) -> dict[str, str]:
    """Flower refuses its API to everybody without a login; on loopback, who asks sits at this machine."""
    return {"FLOWER_UNAUTHENTICATED_API": "true"} if is_loopback(settings.host) else {}


def become(argv: Sequence[str], env: Mapping[str, str] | None = None) -> NoReturn:
    """Replace this process, keeping its id, so signals and the exit code are the program's own.

    What `env` says does not overrule the environment.
    """
    os.execvpe(argv[0], list(argv), {**(env or {}), **os.environ})


def _celery(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", settings.worker_app]
