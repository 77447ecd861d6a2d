"""Servers for tests: Redis or Valkey, and Celery's worker."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from app.cli.processes.child import Child, Service
from app.cli.stack.embedded import embedded_server, find_binary

ROOT = Path(__file__).parents[1]


def redis_server(port: int, directory: Path) -> Child:
    """A server that says nothing unless something is wrong, so that nobody needs to read its output."""
    service = embedded_server(find_binary(), port, directory)
    return Child(replace(service, argv=(*service.argv, "--loglevel", "warning")))


def celery_worker(redis_url: str, log: Path, name: str = "w1@example") -> Child:
    """A stock worker of the tasks in tests/contract/celery_tasks.py; what it says goes to a file.

    It is ready when it answers; whoever needs that sends it a task and waits.
    """
    celery = (sys.executable, "-m", "celery", "-A", "tests.contract.celery_tasks:app")
    worker = ("worker", "-E", "-c", "2", "-n", name, "-l", "INFO", "--without-gossip", "--without-mingle")
    shell = ("sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", str(log))
    environment = {"REDIS_URL": redis_url, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    return Child(Service(name="worker", argv=(*shell, *celery, *worker), env=environment, stop_within=20))
