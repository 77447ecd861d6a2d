"""Python environments for tests, each made from locks, and kept from run to run while they stay the same."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".petiole" / "environments"


@contextmanager
def environment(name: str, *locks: str) -> Iterator[Path]:
    """The Python of an environment with what `locks` of requirements/ name; no other run changes it in the block."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / f"{name}-{_fingerprint(locks)}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = place / "bin" / "python"
        if not (place / "whole").exists():
            for other in CACHE.glob(f"{name}-*"):
                shutil.rmtree(other)
            _make(place)
            install(python, "--require-hashes", *(part for path in map(_path, locks) for part in ("-r", str(path))))
            (place / "whole").touch()
        yield python


def install(python: Path, *what: str) -> None:
    """Install into the environment of `python`.

    Raises:
        RuntimeError: it could not; says what the installer said.
    """
    if uv := shutil.which("uv"):
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *what)
    else:
        pip = (str(_base_python()), "-m", "pip", "--python", str(python), "install")
        _run(*pip, "--quiet", "--disable-pip-version-check", "--no-input", *what)


def _path(lock: str) -> Path:
    return ROOT / "requirements" / f"{lock}.txt"


def _fingerprint(locks: tuple[str, ...]) -> str:
    parts = [*(_path(lock).read_bytes() for lock in locks), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _make(place: Path) -> None:
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--python", sys.executable, str(place))
    else:
        _run(str(_base_python()), "-m", "venv", "--without-pip", str(place))


def _base_python() -> Path:
    """The Python that virtual environments are made from: a bare one has no pip of its own."""
    return Path(sys.base_prefix) / "bin" / "python3"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "VIRTUAL_ENV": ""})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
