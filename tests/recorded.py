"""The recordings in tests/contract/golden; ``python -m tests.contract.record`` makes them."""

import json
from pathlib import Path

from bridge.redis import Published

GOLDEN = Path(__file__).parent / "contract" / "golden"
RESULTS = "celery-task-meta-"


def stories() -> list[str]:
    """Names of what was recorded of tasks."""
    return sorted(path.stem for path in GOLDEN.glob("*.jsonl") if path.stem != "worker")


def recorded(name: str) -> list[Published]:
    """What was published, in the order of its arrival."""
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Published(channel=line["channel"], data=line["data"].encode()) for line in map(json.loads, lines)]
