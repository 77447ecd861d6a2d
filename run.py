#!/usr/bin/env python3
"""The one door to this repository: ``python3 run.py demo | up | test | check | bench [arguments…]``.

Makes .venv from requirements/dev.txt when that is missing, half made or out of date, then becomes the real program.
Standard library only.
"""

from __future__ import annotations

import collections
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements" / "dev.txt"
STAMP = VENV / ".lock-sha"
OLDEST_PYTHON = (3, 11)
FAILED_LINES = 40
INTERRUPTED = 130

CHECKS = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "unit tests": ["pytest", "-q", "tests/unit", "--ignore=tests/unit/bridge"],
    "unit tests of the bridge": ["coverage", "run", "-m", "pytest", "-q", "tests/unit/bridge"],
    "every branch of the protocol": ["coverage", "report", "--skip-covered"],
}


def main(arguments: list[str]) -> int:
    """Prepare the environment, then run what the first argument names."""
    doors = {"demo": petiole, "up": petiole, "test": test, "check": check, "bench": bench}
    if not arguments or arguments[0] not in doors:
        print(__doc__, file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    os.chdir(ROOT)
    make_environment()
    return doors[arguments[0]](arguments)


def petiole(arguments: list[str]) -> NoReturn:
    """Become `petiole demo` or `petiole up`."""
    become([VENV / "bin" / "petiole", *arguments])


def test(arguments: list[str]) -> NoReturn:
    """Become pytest."""
    become([PYTHON, "-m", "pytest", *arguments[1:]], without_settings())


def bench(arguments: list[str]) -> NoReturn:
    """Become the benchmarks."""
    become([PYTHON, "-m", "tests.benchmarks", *arguments[1:]])


def check(_arguments: list[str]) -> int:
    """Run every check, whatever the others say; 1 when one failed."""
    passed = {}
    for name, (program, *rest) in CHECKS.items():
        print(f"── {name}", flush=True)
        passed[name] = (
            subprocess.run([VENV / "bin" / program, *rest], env=without_settings(), check=False).returncode == 0
        )
    for name, good in passed.items():
        print(f"{'ok    ' if good else 'FAILED'}  {name}")
    return 0 if all(passed.values()) else 1


def become(argv: list[str | Path], env: dict[str, str] | None = None) -> NoReturn:
    """Replace this process, so that signals and the exit code are the program's own."""
    sys.stdout.flush()
    # No shell, which would stand between us and Ctrl-C.
    os.execve(argv[0], [os.fspath(part) for part in argv], os.environ if env is None else env)


def without_settings() -> dict[str, str]:
    """The environment without Petiole's settings: tests must never touch a server that somebody named there."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("PETIOLE_")}


def make_environment() -> None:
    """Make .venv anew unless its stamp, which is written last, says that it is whole and up to date."""
    import fcntl  # not on Windows, which `__main__` refuses first

    with Path(__file__).open() as this:
        fcntl.flock(this, fcntl.LOCK_EX)  # a second run.py waits here
        wanted = fingerprint()
        if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
            return
        install()
        STAMP.write_text(wanted)


def fingerprint() -> str:
    """Changes when the environment must be made again; scripts in it name the folder, so moving that counts too."""
    parts = (LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), os.fsencode(ROOT))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def install() -> None:
    """Try the ways that work here, the fastest first, each from nothing."""
    for name, venv, pip in ways():
        try:
            shutil.rmtree(VENV, ignore_errors=True)
            step(f"Making .venv with {name}", venv)
            step("Installing the locked packages", [*pip, "--require-hashes", "-r", LOCK])
            step("Installing petiole", [*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} did not work: {error}", file=sys.stderr)
        else:
            return
    sys.exit("No way to make .venv worked. Is a package index within reach? Installing uv may help: pip install uv")


def ways() -> list[tuple[str, list[str | Path], list[str | Path]]]:
    """Name, command that makes .venv, and the beginning of an install command."""
    venv: list[str | Path] = [sys.executable, "-m", "venv"]
    quiet = ["--disable-pip-version-check", "--no-input"]
    found: list[tuple[str, list[str | Path], list[str | Path]]] = []
    if uv := shutil.which("uv"):
        found.append(("uv", [uv, "venv", "--python", sys.executable, VENV], [uv, "pip", "install", "--python", PYTHON]))
    # A bare Debian has pip but not the ensurepip that a plain venv needs.
    outer_pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", PYTHON, "install", *quiet]
    found.append(("this Python's pip", [*venv, "--without-pip", VENV], outer_pip))
    found.append(("venv", [*venv, VENV], [PYTHON, "-m", "pip", "install", *quiet]))
    return found


def step(title: str, argv: list[str | Path]) -> None:
    """Run an installer: its current line where that can be overwritten, all of its last lines when it failed."""
    started = time.monotonic()
    live = sys.stdout.isatty()
    print(f"{title} …", end="" if live else "\n", flush=True)
    last: collections.deque[str] = collections.deque(maxlen=FAILED_LINES)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            last.append(line)
            if live:
                print(f"\r\033[K{title} … {line.strip()[:60]}", end="", flush=True)
    if process.returncode:
        print("", *last, sep="\n  ")
        raise subprocess.CalledProcessError(process.returncode, [os.fspath(part) for part in argv])
    print(f"\r\033[K{title}: {time.monotonic() - started:.1f} s" if live else f"  {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    if os.name != "posix":
        sys.exit("Petiole runs on Linux and macOS. On Windows, use it in WSL.")
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Petiole needs Python 3.11 or newer, and this is {found}. Try: python3.11 run.py demo")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
