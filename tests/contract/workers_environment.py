"""Environments of stock workers, one for each version of Celery, and commands and workers of theirs."""

import asyncio
from pathlib import Path

from app.cli.processes.child import Child, Service
from bridge import open_client
from bridge.settings import BridgeSettings
from tests.environments import ROOT, environment

LOCKS = {version: f"celery-{version}" for version in ("5.3", "5.4", "5.5", "5.6")} | {"5.7": "workers"}
"""Versions of Celery that we work with, and where each is locked; the newest is that of the workers' image."""
NEWEST = "5.7"
DEADLINE = 60


def celery_python(version: str) -> Path:
    """The Python of an environment with that Celery, the Kombu of its time, gevent and eventlet."""
    with environment(f"celery-{version}", LOCKS[version], "pools") as python:
        return python


def celery(python: Path, redis_url: str, *arguments: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """A command of Celery's, for the tasks in tests/contract/celery_tasks.py, and its environment."""
    return (
        (str(python), "-m", "celery", "-A", "tests.contract.celery_tasks:app", *arguments),
        {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)},
    )


def worker(python: Path, redis_url: str, name: str, *options: str) -> Child:
    """A stock worker with gossip and mingle, as people start it."""
    argv, env = celery(python, redis_url, "worker", "-n", name, "-l", "WARNING", *options)
    quiet = ("sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh")
    return Child(Service(name=name, argv=(*quiet, *argv), env=env, stop_within=20))


async def all_there(url: str, names: set[str]) -> None:
    """Wait until these workers reply; until then each round takes the time of a ping, or at least a round trip."""
    async with open_client(BridgeSettings.load(redis_url=url)) as client, asyncio.timeout(DEADLINE):
        while not names <= (await client.control.ping()).keys():
            pass
