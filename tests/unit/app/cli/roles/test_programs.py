import sys

import pytest

from app.cli.errors import RoleNotInstalled
from app.cli.roles import programs
from app.settings import Settings

CELERY = [sys.executable, "-m", "celery", "-A", "workers.celery_app:app"]


def test_a_worker_sends_events_and_takes_the_default_queue_when_no_other_is_named() -> None:
    settings = Settings.load(default_queue="mine", worker_concurrency=3)
    assert programs.worker_argv(settings) == [
        *(*CELERY, "worker"),
        *("-E", "-c", "3", "-Q", "mine", "--loglevel", "info"),
    ]


def test_what_follows_the_command_overrules_the_settings() -> None:
    assert programs.worker_argv(Settings.load(worker_queues="a,b"), ["-Q", "c"])[-2:] == ["-Q", "c"]


def test_flower_listens_where_it_is_told_and_keeps_nothing_on_disk() -> None:
    argv = programs.flower_argv(Settings.load(host="127.0.0.1", flower_port=5556))
    assert {"--address=127.0.0.1", "--port=5556", "--persistent=False"} <= set(argv)


def test_the_api_of_flower_is_open_on_loopback_only() -> None:
    assert programs.flower_env(Settings.load(host="127.0.0.1"))
    assert not programs.flower_env(Settings.load(host="0.0.0.0"))  # noqa: S104  # the case to be careful about


def test_a_role_that_is_not_installed_says_how_to_install_it() -> None:
    role = programs.Role(name="worker", needs=("a_module_that_is_nowhere",), extra="workers")
    with pytest.raises(RoleNotInstalled, match=r'pip install "petiole\[workers\]"'):
        role.must_be_installed()
