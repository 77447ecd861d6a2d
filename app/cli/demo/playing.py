"""`petiole demo`: everything on free ports, four tasks followed to their ends, and nothing left behind."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from app.cli.demo.dashboards import dashboard_complaints
from app.cli.demo.stories import SAMPLE, Story, Told, stories
from app.cli.errors import UnexpectedAnswer
from app.cli.exit_codes import INTERRUPTED
from app.cli.following.api_client import ApiClient, open_api
from app.cli.following.follower import follow
from app.cli.following.updates import Update, outcome_of, shortened
from app.cli.following.views import View, view_for
from app.cli.interrupts import run_until_interrupted
from app.cli.ports import LOOPBACK, free_ports
from app.cli.processes.child import Sink, discard
from app.cli.stack.leftovers import leftovers
from app.cli.stack.running import Stack, run_stack
from app.cli.terminal import Terminal
from app.settings import Settings

MAX_OUTCOME = 100

commands = typer.Typer()


@commands.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up until Ctrl-C when the demo is through.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show what the processes print.")] = False,
) -> None:
    """Show everything at work, check it, and leave nothing behind. This is what `run.py demo` runs.

    Exit code: 0 when all went as it should, else 1.
    """
    terminal = Terminal()
    sink = terminal.process_line if logs else discard
    raise typer.Exit(run_until_interrupted(lambda: _demo(terminal, sink, keep=keep), interrupted=INTERRUPTED))


async def _demo(terminal: Terminal, sink: Sink, *, keep: bool) -> int:
    port, flower_port = free_ports(2)
    settings = Settings.load(host=LOOPBACK, port=port, flower_port=flower_port, auth="off")
    cast = stories()
    terminal.say("Starting a server, the API, the watcher, a worker and Flower …")
    with tempfile.TemporaryDirectory(prefix="petiole-demo-") as files:
        async with run_stack(settings, Path(files), sink, terminal.ready) as stack:
            complaints = await _play(cast, stack, terminal)
            if keep:
                await _until_interrupted(stack, terminal)
            terminal.say("Stopping everything …")
        complaints += leftovers(stack.supervisor.children, stack.ports)
    for complaint in complaints:
        terminal.say(f"Not as it should be: {complaint}.", style="red")
    if not complaints:
        terminal.say("All went as it should; no process and no port is left.", style="green")
    return 1 if complaints else 0


async def _play(cast: Sequence[Story], stack: Stack, terminal: Terminal) -> list[str]:
    """Run the stories and show what became of them; what is not as it should be."""
    terminal.say("Submitting four tasks over HTTP and following each over server-sent events:")
    async with open_api(stack.addresses.api) as api:
        told = await _tell_all(cast, api, terminal)
        _show(told, terminal)
        complaints = await dashboard_complaints(api.http, stack.addresses, [one.task_id for one in told])
    terminal.addresses({"Swagger": f"{stack.addresses.api}/docs", "Flower": stack.addresses.flower})
    return complaints + [f"{one.story.title}: {complaint}" for one in told for complaint in one.complaints()]


async def _tell_all(cast: Sequence[Story], api: ApiClient, terminal: Terminal) -> list[Told]:
    with view_for(terminal.console) as view:
        try:
            async with asyncio.TaskGroup() as group:
                telling = [group.create_task(_tell(story, api, view)) for story in cast]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
    return [task.result() for task in telling]


async def _tell(story: Story, api: ApiClient, view: View) -> Told:
    accepted = await (api.submit(story.request) if story.request else api.submit_payload(SAMPLE))
    task_id = str(accepted["task_id"])
    seen: list[Update] = []  # as many as the few steps of a story make
    async with aclosing(follow(api.http, task_id)) as updates:
        async for update in updates:
            view.show(story.title, update)
            seen.append(update)
    if not seen:
        raise UnexpectedAnswer(f"the stream of {task_id} ended before it began")
    return Told(story=story, task_id=task_id, updates=seen)


def _show(told: Sequence[Told], terminal: Terminal) -> None:
    terminal.table(("task", "ended", "attempts", "updates", "as it should"), map(_row, told))
    for one in told:
        terminal.say(shortened(f"{one.story.title}: {outcome_of(one.last.content)}", MAX_OUTCOME))
    for one in told:
        if one.delays:
            terminal.say(f"{one.story.title}: waited {', then '.join(f'{delay:.1f} s' for delay in one.delays)}")


def _row(one: Told) -> tuple[str, ...]:
    verdict = "no" if one.complaints() else "yes"
    return (one.story.title, one.last.status, str(one.last.attempt), str(len(one.updates)), verdict)


async def _until_interrupted(stack: Stack, terminal: Terminal) -> None:
    """Stay up until Ctrl-C, which ends only this.

    Raises:
        ChildDied: a process did not stay up.
    """
    terminal.say("Ctrl-C stops everything.")
    try:
        child = await stack.supervisor.first_to_end()
        raise await child.death()
    except asyncio.CancelledError:
        if task := asyncio.current_task():
            task.uncancel()
