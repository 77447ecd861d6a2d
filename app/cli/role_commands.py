"""`petiole api`, `watcher`, `worker`, `flower`: one process each, as containers and `petiole up` run them."""

from typing import Annotated

import typer

from app.cli import roles
from app.cli.logs import log_config
from app.settings import Settings

GRACEFUL_SECONDS = 5
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

commands = typer.Typer()

Host = Annotated[str | None, typer.Option(help="Address to listen on; PETIOLE_HOST when not given.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; the settings' when not given.")]


@commands.command()
def api(host: Host = None, port: Port = None) -> None:
    """Serve the HTTP API."""
    roles.API.must_be_installed()
    settings = _settings(host=host, port=port)
    import uvicorn  # only the images of the API have it

    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=log_config(settings.log_level),
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        server_header=False,
    )


@commands.command(context_settings=PASS_ON)
def watcher(context: typer.Context) -> None:
    """Run the watcher: turns Celery's news into status updates. More arguments go to arq."""
    roles.WATCHER.must_be_installed()
    _settings()
    roles.become(roles.watcher_argv(context.args))


@commands.command(context_settings=PASS_ON)
def worker(context: typer.Context) -> None:
    """Run a Celery worker. More arguments go to `celery worker`, for example -c 8 -Q reports."""
    roles.WORKER.must_be_installed()
    roles.become(roles.worker_argv(_settings(), context.args))


@commands.command(context_settings=PASS_ON)
def flower(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Run Flower, Celery's own dashboard. More arguments go to `celery flower`."""
    roles.FLOWER.must_be_installed()
    settings = _settings(host=host, flower_port=port)
    roles.become(roles.flower_argv(settings, context.args), roles.flower_env(settings))


def _settings(**given: object) -> Settings:
    return Settings.load(**{name: value for name, value in given.items() if value is not None})
