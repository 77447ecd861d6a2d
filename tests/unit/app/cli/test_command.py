import pytest
from typer.testing import CliRunner

from app.cli.command import command, exit_code
from app.cli.errors import ApiUnreachable, CommandError, UsageProblem
from bridge.errors import InvalidSettings, PetioleError, TaskNotFound


def test_the_commands_are_those_of_the_documentation() -> None:
    told = CliRunner().invoke(command, ["--help"]).output
    for name in ("demo", "up", "api", "watcher", "worker", "flower", "submit", "follow", "status", "cancel"):
        assert name in told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageProblem("x"), 2),
        (InvalidSettings("x"), 2),
        (ApiUnreachable("x"), 4),
        (CommandError("x"), 1),
        (TaskNotFound("x"), 1),
    ],
)
def test_the_exit_code_tells_bad_usage_from_an_api_that_does_not_answer(error: PetioleError, code: int) -> None:
    assert exit_code(error) == code


def test_following_documents_its_exit_codes() -> None:
    assert "cancelled or expired" in CliRunner().invoke(command, ["follow", "--help"]).output
