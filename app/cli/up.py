"""`petiole up`: all of Petiole on this machine, until Ctrl-C."""

from pathlib import Path

import typer

from app.cli.interrupts import run_until_interrupted
from app.cli.roles.exposure import must_not_be_open_to_all
from app.cli.stack.running import run_stack
from app.cli.stack.services import Addresses
from app.cli.terminal import Terminal
from app.settings import Settings

FILES = Path(".petiole")
TRY_IT = """curl -s {api}/tasks/submit -H 'Content-Type: application/json' -d '{{"data": "sample payload"}}'"""

commands = typer.Typer()


@commands.command()
def up() -> None:
    """Run everything on this machine until Ctrl-C: API, watcher, worker, Flower, and a server unless PETIOLE_REDIS_URL
    names one. Its data stays in .petiole/ for the next time.
    """
    settings = Settings.load()
    must_not_be_open_to_all(settings)
    terminal = Terminal()
    code = run_until_interrupted(lambda: _up(settings, terminal), interrupted=0)
    terminal.say("Everything is stopped.")
    raise typer.Exit(code)


async def _up(settings: Settings, terminal: Terminal) -> int:
    terminal.say("Starting Petiole; Ctrl-C stops it.")
    async with run_stack(settings, FILES, terminal.process_line, terminal.ready) as stack:
        _show(stack.addresses, terminal)
        child = await stack.supervisor.first_to_end()
        raise await child.death()


def _show(at: Addresses, terminal: Terminal) -> None:
    terminal.say("Petiole is ready:", style="bold")
    terminal.addresses(named_addresses(at))
    terminal.say("Try it:")
    terminal.say(f"  {TRY_IT.format(api=at.api)}")


def named_addresses(at: Addresses) -> dict[str, str]:
    """The addresses with the names people know them by."""
    return {"API": at.api, "Swagger": f"{at.api}/docs", "Flower": at.flower, "Redis": at.redis}
