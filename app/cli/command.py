"""All of the `petiole` command in one: its subcommands, and what becomes of their errors."""

import sys

import typer

from app.cli import up
from app.cli.demo import playing
from app.cli.errors import CommandError
from app.cli.keys import commands as key_commands
from app.cli.roles import commands as role_commands
from app.cli.tasks import commands as task_commands
from bridge.errors import InvalidSettings, PetioleError

command = typer.Typer(
    name="petiole",
    help="The asyncio front of Celery: submit over REST, run on stock Celery workers, follow over server-sent events.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (playing, up, task_commands, key_commands, role_commands):
    command.add_typer(part.commands)


def run() -> int:
    """Run the command line of this process; its exit code. Prints a known error as a sentence on stderr."""
    try:
        command(prog_name="petiole")
    except PetioleError as error:
        print(f"petiole: {error}", file=sys.stderr)
        return exit_code(error)
    return 0


def exit_code(error: PetioleError) -> int:
    """What an error makes of the exit code: bad settings count as bad usage."""
    if isinstance(error, InvalidSettings):
        return 2
    return error.exit_code if isinstance(error, CommandError) else 1
