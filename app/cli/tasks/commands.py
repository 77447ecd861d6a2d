"""`petiole submit`, `follow`, `status`, `cancel`: the HTTP API from a terminal."""

import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any

import typer

from app.cli.exit_codes import INTERRUPTED
from app.cli.following.api_client import ApiClient, open_api
from app.cli.following.follower import follow
from app.cli.following.updates import EXIT_CODES, outcome_of
from app.cli.following.views import view_for
from app.cli.interrupts import run_until_interrupted
from app.cli.stack.services import Addresses
from app.cli.tasks.request import read_text, task_request
from app.cli.terminal import Terminal
from app.settings import Settings

SHORT_ID = 8
"""As much of an id as is needed to tell a few tasks apart."""

commands = typer.Typer()

EXIT_HELP = (
    "Exit code: 0 succeeded; 1 failed, lost or rejected; 2 a request that cannot work; 3 cancelled or expired; "
    "4 the API does not answer."
)

Url = Annotated[str, typer.Option(help="Address of the API; PETIOLE_API_URL, or else host and port of the settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
TaskId = Annotated[str, typer.Argument(help="The task's id.")]
Call = Callable[[ApiClient, Terminal], Coroutine[None, None, int]]


@commands.command(epilog=EXIT_HELP)
def submit(
    task: Annotated[str, typer.Argument(help="Name of the task, for example workers.tasks.summarise_csv.")],
    args: Annotated[str, typer.Option(help="Positional arguments, a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option(help="Named arguments, a JSON object.")] = "{}",
    file: Annotated[
        str | None, typer.Option(help="File whose text is the first argument; - is standard input.")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="Queue; the default queue when not given.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="0 is served first, 9 last.")] = None,
    countdown: Annotated[float | None, typer.Option(min=0, help="Seconds to wait before it may run.")] = None,
    eta: Annotated[str | None, typer.Option(help="When it may run at the earliest, ISO 8601.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Seconds, or a time in ISO 8601, after which it must not run.")
    ] = None,
    task_id: Annotated[str | None, typer.Option(help="Id of the task; a new one when not given.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag to find it by; may be given several times.")] = None,
    stay: Annotated[bool, typer.Option("--follow", help="Follow the task to its end.")] = False,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Submit a task; prints its id, or with --follow its progress."""
    text = None if file is None else read_text(file)
    options: dict[str, Any] = {"queue": queue, "priority": priority, "countdown": countdown, "eta": eta}
    options |= {"expires": _number_or_text(expires), "task_id": task_id, "tags": tag}
    request = task_request(task, args, kwargs, text, options)

    async def call(api: ApiClient, terminal: Terminal) -> int:
        accepted = await api.submit(request)
        if stay:
            return await _follow(api, str(accepted["task_id"]), terminal, as_json=as_json)
        print(json.dumps(accepted) if as_json else accepted["task_id"])
        return 0

    _run(url, call)


@commands.command("follow", epilog=EXIT_HELP)
def follow_task(task_id: TaskId, as_json: AsJson = False, url: Url = "") -> None:
    """Follow a task to its end, across dropped connections; the exit code says how it ended."""

    async def call(api: ApiClient, terminal: Terminal) -> int:
        return await _follow(api, task_id, terminal, as_json=as_json)

    _run(url, call)


@commands.command()
def status(task_id: TaskId, as_json: AsJson = False, url: Url = "") -> None:
    """Show a task as it is now."""

    async def call(api: ApiClient, terminal: Terminal) -> int:
        task = await api.task(task_id)
        if as_json:
            print(json.dumps(task))
        else:
            terminal.table(("field", "value"), _rows(task))
        return 0

    _run(url, call)


@commands.command()
def cancel(
    task_id: TaskId,
    terminate: Annotated[bool, typer.Option("--terminate", help="End it even while it runs.")] = False,
    signal: Annotated[str, typer.Option(help="Signal that ends it.")] = "SIGTERM",
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Ask the workers not to run a task."""

    async def call(api: ApiClient, terminal: Terminal) -> int:
        answer = await api.cancel(task_id, terminate=terminate, signal=signal)
        print(json.dumps(answer) if as_json else f"The workers are asked to cancel {task_id}.")
        return 0

    _run(url, call)


def _run(url: str, call: Call) -> None:
    async def main() -> int:
        settings = Settings.load()
        async with open_api(url or _configured_url(settings), settings.api_key) as api:
            return await call(api, Terminal())

    raise typer.Exit(run_until_interrupted(main, interrupted=INTERRUPTED))


async def _follow(api: ApiClient, task_id: str, terminal: Terminal, *, as_json: bool) -> int:
    if not as_json:
        terminal.say(f"Task {task_id}")
    update = None
    with view_for(terminal.console, as_json=as_json) as view:
        async with aclosing(follow(api.http, task_id)) as updates:
            async for update in updates:
                view.show(task_id[:SHORT_ID], update)
    ended = update.content if update and update.final else await api.task(task_id)
    if not as_json:
        terminal.say(outcome_of(ended))
    return EXIT_CODES.get(str(ended["status"]), 1)


def _configured_url(settings: Settings) -> str:
    return settings.api_url or Addresses.of(settings).api


def _number_or_text(given: str | None) -> float | str | None:
    try:
        return None if given is None else float(given)
    except ValueError:
        return given


def _rows(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in task.items():
        if value not in (None, [], {}):
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
