"""`petiole keys`, as an operator uses it."""

import json
from itertools import count
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.command import command, exit_code
from app.cli.errors import UsageProblem
from bridge.errors import ApiKeyNotFound, BrokerUnavailable, PetioleError

PREFIXES = count()


class Operator:
    """Somebody at a terminal, on an installation of its own."""

    def __init__(self, url: str) -> None:
        self.environment = {"PETIOLE_REDIS_URL": url, "PETIOLE_PREFIX": f"operator-{next(PREFIXES)}:"}

    def types(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, ["keys", *arguments], env=self.environment, catch_exceptions=True)

    def reads(self, *arguments: str) -> Any:
        """What the command prints as JSON."""
        result = self.types(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def fails(self, *arguments: str) -> PetioleError:
        """The error of the command."""
        error = self.types(*arguments).exception
        assert isinstance(error, PetioleError)
        return error


@pytest.fixture
def operator(shared_url: str) -> Operator:
    return Operator(shared_url)


def test_a_key_is_shown_once_alone_on_stdout_and_explained_on_stderr(operator: Operator) -> None:
    made = operator.types("create", "--owner", "acme", "--name", "ci")
    text = made.stdout.strip()
    assert text.startswith("ptl_")
    assert "\n" not in text
    assert "only time" in made.stderr
    assert text not in made.stderr
    assert text not in operator.types("list").output
    assert text.rpartition("_")[2] not in json.dumps(operator.reads("list"))


def test_a_key_is_for_everyday_use_unless_told_otherwise(operator: Operator) -> None:
    assert operator.reads("create", "--owner", "acme")["scopes"] == ["control", "read", "submit"]
    assert operator.reads("create", "--owner", "acme", "--scope", "read", "--scope", "admin")["scopes"] == [
        "admin",
        "read",
    ]


def test_keys_are_listed_with_all_but_their_secrets(operator: Operator) -> None:
    made = operator.reads("create", "--owner", "acme", "--name", "ci", "--lifetime", "90d")
    (listed,) = operator.reads("list")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert listed["expires_at"] > listed["created_at"]
    table = operator.types("list").output
    assert all(text in table for text in (listed["id"], "acme", "ci", listed["created_at"][:10]))


def test_a_revoked_key_is_gone(operator: Operator) -> None:
    made = operator.reads("create", "--owner", "acme")
    assert operator.reads("revoke", made["id"]) == {"revoked": made["id"]}
    assert operator.reads("list") == []
    assert isinstance(operator.fails("revoke", made["id"]), ApiKeyNotFound)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--owner", "a:b"),
        ("--owner", ""),
        ("--owner", "acme", "--lifetime", "soon"),
        ("--owner", "acme", "--lifetime", "0d"),
        ("--owner", "acme", "--lifetime", "4000d"),
        ("--owner", "acme", "--name", "x" * 81),
        ("--owner", "acme", "--name", "a\nb"),
    ],
)
def test_what_cannot_be_a_key_is_bad_usage(operator: Operator, arguments: tuple[str, ...]) -> None:
    error = operator.fails("create", *arguments)
    assert isinstance(error, UsageProblem)
    assert exit_code(error) == 2
    assert operator.reads("list") == []


def test_while_redis_is_away_the_command_says_so(own_url: str) -> None:
    assert isinstance(Operator(own_url).fails("list"), BrokerUnavailable)
