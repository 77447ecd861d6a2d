"""`petiole api`, `watcher`, `worker`, `flower`: one process each, as containers and `petiole up` run them."""

from typing import Annotated

import typer

from app.cli.roles import programs
from app.cli.roles.exposure import must_not_be_open_to_all
from app.settings import Settings

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

commands = typer.Typer()

Host = Annotated[str | None, typer.Option(help="Address to listen on; PETIOLE_HOST when not given.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; the settings' when not given.")]


@commands.command()
def api(host: Host = None, port: Port = None) -> None:
    """Serve the HTTP API."""
    programs.API.must_be_installed()
    settings = _settings(host=host, port=port)
    must_not_be_open_to_all(settings)
    from app.cli.roles.api_server import serve  # only the images of the API have uvicorn

    serve(settings)


@commands.command(context_settings=PASS_ON)
def watcher(context: typer.Context) -> None:
    """Run the watcher: turns Celery's news into status updates. More arguments go to arq."""
    programs.WATCHER.must_be_installed()
    _settings()
    programs.become(programs.watcher_argv(context.args))


@commands.command(context_settings=PASS_ON)
def worker(context: typer.Context) -> None:
    """Run a Celery worker. More arguments go to `celery worker`, for example -c 8 -Q reports."""
    programs.WORKER.must_be_installed()
    programs.become(programs.worker_argv(_settings(), context.args))


@commands.command(context_settings=PASS_ON)
def flower(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Run Flower, Celery's own dashboard. More arguments go to `celery flower`."""
    programs.FLOWER.must_be_installed()
    settings = _settings(host=host, flower_port=port)
    programs.become(programs.flower_argv(settings, context.args), programs.flower_env(settings))


def _settings(**given: object) -> Settings:
    return Settings.load(**{name: value for name, value in given.items() if value is not None})
