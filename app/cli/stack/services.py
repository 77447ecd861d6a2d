"""The services of a stack: which addresses they answer at, and how each is run, known as ready, and stopped."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import httpx

from app.cli.processes.child import Service
from app.cli.stack.readiness import Ready, answers_ok, worker_is_online
from app.settings import Settings

READY_WITHIN = 60.0
STOP_WITHIN = 10.0
WORKER_STOP_WITHIN = 15.0
WORKER_HURRY_WITHIN = 10.0

_SEEN_FROM_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound to it here


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a stack answers, as seen from this machine."""

    redis: str
    api: str
    flower: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The addresses that these settings make."""
        host = _SEEN_FROM_HERE.get(settings.host, settings.host)
        site = f"http://[{host}]" if ":" in host else f"http://{host}"
        return cls(redis=settings.redis_url, api=f"{site}:{settings.port}", flower=f"{site}:{settings.flower_port}")


def stack_services(settings: Settings, http: httpx.AsyncClient) -> list[Service]:
    """API, watcher, worker and Flower, in the order of their start, for a Redis that runs.

    `http` asks them whether they are ready.
    """
    at = Addresses.of(settings)
    env = stack_environment(settings)
    node = f"petiole-{settings.port}"  # as the port is, one of its kind on this machine
    return [
        _role("api", env, answers_ok(http, f"{at.api}/healthz")),
        _role("watcher", env, answers_ok(http, f"{at.api}/readyz")),
        _patient(_role("worker", env, worker_is_online(http, at.api, node), "-n", f"{node}@%h")),
        _role("flower", env, answers_ok(http, f"{at.flower}/healthcheck")),
    ]


def stack_environment(settings: Settings) -> dict[str, str]:
    """What every process of a stack must be told, on top of the environment they share."""
    return {
        "PETIOLE_REDIS_URL": settings.redis_url,
        "PETIOLE_AUTH": settings.auth,
        "PETIOLE_HOST": settings.host,
        "PETIOLE_PORT": str(settings.port),
        "PETIOLE_FLOWER_PORT": str(settings.flower_port),
        "PYTHONUNBUFFERED": "1",
    }


def _role(name: str, env: Mapping[str, str], ready: Ready, *arguments: str) -> Service:
    return Service(
        name=name,
        argv=(sys.executable, "-m", "app.cli", name, *arguments),
        env=env,
        ready=ready,
        start_within=READY_WITHIN,
        stop_within=STOP_WITHIN,
    )


def _patient(worker: Service) -> Service:
    """SIGTERM lets a worker finish its tasks; SIGQUIT makes it give them back to their queue and go. Without a broker
    it cannot, and waits for one; killed, it leaves its pool processes behind."""
    return replace(
        worker,
        stop_within=WORKER_STOP_WITHIN,
        hurry_signal=signal.SIGQUIT,
        hurry_within=WORKER_HURRY_WITHIN,
        guarded=True,
    )
