"""An environment like that of the service's image: its locked packages and the built project, and nothing of Celery."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("service", "test", "build")]
CACHE = ROOT / ".petiole" / "environments"


@contextmanager
def service_python() -> Iterator[Path]:
    """The environment's Python; packages are kept from run to run while the locks stay, the project is built anew."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / f"service-{_fingerprint()}"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = place / "whole"
        if not stamp.exists():
            _forget_others(place)
            _make(place)
            stamp.touch()
        python = place / "bin" / "python"
        _install(python, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT))
        yield python


def _fingerprint() -> str:
    parts = [*(lock.read_bytes() for lock in LOCKS), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _forget_others(place: Path) -> None:
    for other in CACHE.glob("service-*"):
        if other.is_dir() and other != place:
            shutil.rmtree(other)
    shutil.rmtree(place, ignore_errors=True)


def _make(place: Path) -> None:
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--python", sys.executable, str(place))
    else:
        _run(str(_base_python()), "-m", "venv", "--without-pip", str(place))
    for lock in LOCKS:
        _install(place / "bin" / "python", "--require-hashes", "-r", str(lock))


def _install(python: Path, *what: str) -> None:
    if uv := shutil.which("uv"):
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *what)
    else:
        pip = (str(_base_python()), "-m", "pip", "--python", str(python), "install")
        _run(*pip, "--quiet", "--disable-pip-version-check", "--no-input", *what)


def _base_python() -> Path:
    """The Python that virtual environments are made from: a bare one has no pip of its own."""
    return Path(sys.base_prefix) / "bin" / "python3"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "VIRTUAL_ENV": ""})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
