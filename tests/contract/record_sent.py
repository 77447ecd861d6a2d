"""Records what Celery's producer writes: ``python -m tests.contract.record_sent [VERSION …]``.

Writes sent/canvases.jsonl and sent/options.jsonl into tests/contract/golden: a line for each call, as ``{"call",
"reply_to", "writes"}``, the last as it stands in Redis, by key. Only ids and what names this machine are replaced.

Versions are as for tests/contract/record.py: without one it is the installed Celery that is recorded, and each other
into a folder of its name.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.cli.ports import free_port
from app.cli.stack.embedded import server_url
from tests.contract.record import clean
from tests.contract.workers_environment import celery_python
from tests.recorded import sent_file
from tests.servers import ROOT, redis_server

ORIGIN = re.compile(r'"origin": "gen[^"]*"')


def _envelope(text: str, ids: dict[str, str]) -> str:
    envelope = json.loads(text)
    if envelope["content-type"] == "application/json" and "compression" not in envelope["headers"]:
        envelope["body"] = b64encode(clean(b64decode(envelope["body"]).decode(), ids).encode()).decode()
    return ORIGIN.sub('"origin": "gen1@example"', clean(json.dumps(envelope), ids))


def _line(call: dict[str, Any]) -> str:
    ids: dict[str, str] = {}
    reply_to = clean(call["reply_to"], ids)
    writes = {
        clean(key, ids): [clean(one, ids) if key.startswith("celery-") else _envelope(one, ids) for one in values]
        for key, values in call["writes"].items()
    }
    return json.dumps({"call": call["call"], "reply_to": reply_to, "writes": writes})


async def record(python: Path, directory: Path) -> dict[str, list[str]]:
    """Have the producer of that environment make each call on a server of its own; lines by the name of their file."""
    port = free_port()
    async with redis_server(port, directory):
        argv = (str(python), "-m", "tests.contract.celery_writes", server_url(port))
        done = await asyncio.to_thread(subprocess.run, argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for call in map(json.loads, done.stdout.splitlines()):
        lines[call["of"]].append(_line(call))
    return lines


def main(versions: Sequence[str]) -> None:
    """Record each of the versions, or the installed one."""
    wanted = [(celery_python(version), version) for version in versions] or [(Path(sys.executable), "")]
    for python, version in wanted:
        with tempfile.TemporaryDirectory() as temporary:
            files = asyncio.run(record(python, Path(temporary)))
        for name, lines in files.items():
            file = sent_file(name, version)
            file.parent.mkdir(exist_ok=True)
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
