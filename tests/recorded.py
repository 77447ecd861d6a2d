"""The recordings in tests/contract/golden; ``python -m tests.contract.record``, ``….record_control`` and
``….record_sent`` make them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bridge.redis import Published

GOLDEN = Path(__file__).parent / "contract" / "golden"
TICKET = "TICKET"
"""Stands in a recorded reply for the id of the call."""
RESULTS = "celery-task-meta-"


def stories() -> list[str]:
    """Names of what was recorded of tasks."""
    return sorted(path.stem for path in GOLDEN.glob("*.jsonl") if path.stem != "worker")


def versions() -> list[str]:
    """Versions of Celery that were recorded beside the installed one: each a folder with the same stories."""
    return sorted(path.name for path in GOLDEN.iterdir() if path.name[0].isdigit())


def recorded(name: str) -> list[Published]:
    """What was published, in the order of its arrival."""
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Published(channel=line["channel"], data=line["data"].encode()) for line in map(json.loads, lines)]


@dataclass(frozen=True, kw_only=True)
class ControlCall:
    """A command of remote control, comparable, and what a worker replied; None where that tells of a machine."""

    call: str
    command: str
    reply: str | None


def control_file(version: str = "") -> Path:
    """Where remote control is recorded, as of the installed version or of another one."""
    return GOLDEN / version / "control" / "calls.jsonl"


@cache
def control_calls(version: str = "") -> dict[str, ControlCall]:
    """What was recorded of remote control, by the names in tests/control_calls.py."""
    lines = control_file(version).read_text(encoding="utf-8").splitlines()
    return {call.call: call for call in (ControlCall(**json.loads(line)) for line in lines)}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What Celery's producer wrote for a call, by key, as it stood in Redis but for ids; `reply_to` is the producer."""

    call: str
    reply_to: str
    writes: dict[str, list[str]]


def sent_file(name: str, version: str = "") -> Path:
    """Where ``canvases`` or ``options`` are recorded, as of the installed version or of another one."""
    return GOLDEN / version / "sent" / f"{name}.jsonl"


@cache
def sent_calls(name: str, version: str = "") -> dict[str, Sent]:
    """What was recorded of producers, by the names of tests/contract/celery_writes.py."""
    lines = sent_file(name, version).read_text(encoding="utf-8").splitlines()
    return {call.call: call for call in (Sent(**json.loads(line)) for line in lines)}
