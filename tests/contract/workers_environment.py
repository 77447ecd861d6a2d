"""An environment like that of the workers' image, with the newest Celery, and stock workers of any environment."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from app.cli.processes import Child, Service
from tests.servers import ROOT

LOCK = ROOT / "requirements" / "workers.txt"
CACHE = ROOT / ".petiole" / "environments"


def workers_python() -> Path:
    """The environment's Python; it is kept from run to run while the lock stays."""
    fingerprint = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / f"workers-{fingerprint}"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "whole").exists():
            _forget_others(place)
            _make(place)
            (place / "whole").touch()
    return place / "bin" / "python"


def _forget_others(place: Path) -> None:
    for other in CACHE.glob("workers-*"):
        if other.is_dir() and other != place:
            shutil.rmtree(other)
    shutil.rmtree(place, ignore_errors=True)


def _make(place: Path) -> None:
    python, base = str(place / "bin" / "python"), str(Path(sys.base_prefix) / "bin" / "python3")
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--python", sys.executable, str(place))
        _run(uv, "pip", "install", "--python", python, "--require-hashes", "-r", str(LOCK))
    else:
        _run(base, "-m", "venv", "--without-pip", str(place))
        _run(base, "-m", "pip", "--python", python, "install", "--no-input", "--require-hashes", "-r", str(LOCK))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "VIRTUAL_ENV": ""})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


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
