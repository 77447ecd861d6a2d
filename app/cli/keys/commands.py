"""`petiole keys create`, `list`, `revoke`: API keys, straight in Redis. Who reaches it needs no key to make one."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from app.cli.errors import UsageProblem
from app.cli.terminal import Terminal
from app.settings import Settings
from bridge.access.api_keys import ApiKey, ApiKeys, Scope
from bridge.errors import InvalidOwner
from bridge.protocol.clock import iso
from bridge.redis import Redis

EVERYDAY = (Scope.SUBMIT, Scope.READ, Scope.CONTROL)
MAX_NAME = 80
MAX_LIFETIME = 10 * 366 * 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LIFETIME = re.compile(r"([1-9][0-9]{0,8})([smhd])")
Answer = TypeVar("Answer")

commands = typer.Typer()
keys = typer.Typer(help="API keys: make, list and revoke them. Needs the address of Redis, PETIOLE_REDIS_URL.")
commands.add_typer(keys, name="keys", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys.command()
def create(
    owner: Annotated[str, typer.Option(help="Whose tasks the key reaches; keys of one owner share everything.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="May be given several times; submit, read and control when not given.")
    ] = None,
    name: Annotated[str, typer.Option(help="To know it again by.")] = "",
    lifetime: Annotated[str | None, typer.Option(help="For example 12h or 90d; without end when not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its text is shown this once: only a hash of it is kept."""
    _check_name(name)
    seconds = None if lifetime is None else _seconds(lifetime)
    try:
        key, text = _run(lambda store: store.create(owner, scope or EVERYDAY, name=name, lifetime=seconds))
    except InvalidOwner as error:
        raise UsageProblem(f"--owner: {error}") from error
    if as_json:
        print(json.dumps({"key": text, **_described(key)}))
        return
    print(text)
    # On stderr, so that KEY=$(petiole keys create …) has the key alone.
    Terminal(Console(stderr=True, highlight=False)).say(
        f"Key {key.key_id} of {key.owner}: {', '.join(sorted(key.scopes))}. This is the only time its text is shown."
    )


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, the oldest first."""
    found = _run(lambda store: store.all())
    if as_json:
        print(json.dumps([_described(key) for key in found]))
        return
    columns = ("id", "owner", "scopes", "name", "created", "expires", "last used")
    Terminal().table(columns, [_row(key) for key in found])


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id of the key; `petiole keys list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key. The API refuses it within five seconds; its stream tokens end with it."""
    _run(lambda store: store.revoke(key_id))
    print(json.dumps({"revoked": key_id}) if as_json else f"Revoked {key_id}.")


def _run(call: Callable[[ApiKeys], Awaitable[Answer]]) -> Answer:
    settings = Settings.load()

    async def called() -> Answer:
        async with Redis.open(settings.broker, settings) as redis:
            return await call(ApiKeys(redis, time.time))

    return asyncio.run(called())


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or not name.isprintable():
        raise UsageProblem(f"--name must have no more than {MAX_NAME} characters, all of them printable.")


def _seconds(lifetime: str) -> int:
    found = _LIFETIME.fullmatch(lifetime)
    if not found:
        raise UsageProblem("--lifetime must be a whole number of s, m, h or d, for example 12h or 90d.")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > MAX_LIFETIME:
        raise UsageProblem("--lifetime must be no longer than ten years; without it a key lives until it is revoked.")
    return seconds


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "owner": key.owner,
        "scopes": sorted(key.scopes),
        "name": key.name,
        "created_at": iso(key.created_ms),
        "expires_at": _time(key.expires_ms),
        "last_used_at": _time(key.used_ms),
    }


def _row(key: ApiKey) -> tuple[str, ...]:
    days = (_time(at_ms) for at_ms in (key.created_ms, key.expires_ms, key.used_ms))
    return (key.key_id, key.owner, " ".join(sorted(key.scopes)), key.name, *((day or "–")[:10] for day in days))


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
