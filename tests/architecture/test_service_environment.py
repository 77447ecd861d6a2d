"""The service runs from its own lock: without Celery, and as the package that is built from this repository."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.ports import LOOPBACK, free_port
from app.cli.processes.child import Child, Service
from tests.architecture.service_environment import service_python
from tests.architecture.test_walls import CELERY
from tests.environments import ROOT

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    with service_python() as made:
        yield made


def run(python: Path, *arguments: str, cwd: Path) -> str:
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_of_celery_is_installed(python: Path, tmp_path: Path) -> None:
    installed = run(
        python, "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))", cwd=tmp_path
    )
    assert "petiole" in installed.split()
    assert not {name.lower() for name in installed.split()} & (CELERY | {"flower", "celery-types"})


def test_the_package_has_everything_that_it_needs_at_run_time(python: Path, tmp_path: Path) -> None:
    scripts = ("accept", "advance", "call", "hang_up", "limit", "read", "release")
    code = f"from bridge.redis import Script; [Script(name) for name in {scripts}]"
    assert run(python, "-c", code, cwd=tmp_path) == ""


def test_the_unit_tests_pass_without_celery(python: Path) -> None:
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit", cwd=ROOT)


async def test_api_and_watcher_become_ready(
    python: Path, shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    env = {"PETIOLE_REDIS_URL": shared_url, "PETIOLE_PORT": str(port), "PETIOLE_PREFIX": "installed:"}
    command = str(python.with_name("petiole"))
    monkeypatch.chdir(tmp_path)  # the installed package, not this folder

    async def is_ready() -> bool:
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as http:
            try:
                return (await http.get("/readyz")).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

    api = Child(Service(name="api", argv=(command, "api"), env=env))
    watcher = Child(Service(name="watcher", argv=(command, "watcher"), env=env, ready=is_ready))
    async with api, watcher:
        assert await is_ready()
