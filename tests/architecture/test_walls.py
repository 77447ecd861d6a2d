"""The walls that DESIGN draws between the service and Celery; the arrows are contracts in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELERY = {"celery", "kombu", "vine", "billiard", "amqp"}
NONSENSE = {"PETIOLE_REDIS_URL": "nonsense", "PETIOLE_SWEEP_SECONDS": "never"}
SERVICE = ("bridge", "bridge.watcher_process", "app.main", "app.cli.command")
WORKERS = ("workers", "workers.celery_app", "workers.tasks")
ASKED = """
import asyncio, importlib, sys, threading
seen = []
LOUD = {"socket.connect", "subprocess.Popen", "os.fork"}
sys.addaudithook(lambda name, _: name in LOUD and seen.append(name))
for name in sys.argv[1:]:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
assert not seen, seen
print(*{name.partition(".")[0] for name in sys.modules})
"""


def modules_after_importing(*names: str) -> set[str]:
    """Import in a fresh process whose settings are nonsense; the top-level modules that are there afterwards."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", ASKED, *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **NONSENSE},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_import_follows_the_drawing() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed here")
    done = subprocess.run([lint], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICE)
def test_importing_a_part_of_the_service_does_nothing_and_brings_no_celery(name: str) -> None:
    pytest.importorskip("fastapi")
    assert not modules_after_importing(name) & CELERY


def test_the_library_needs_neither_a_web_framework_nor_arq() -> None:
    assert not modules_after_importing("bridge") & {"fastapi", "starlette", "uvicorn", "arq", "typer", "rich", "httpx"}


def test_importing_the_workers_does_nothing_and_brings_nothing_of_the_service() -> None:
    pytest.importorskip("celery")
    assert not modules_after_importing(*WORKERS) & {"app", "bridge", "fastapi", "arq"}
