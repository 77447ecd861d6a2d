"""A process beside us in which Celery's own client runs, of any version."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.environments import ROOT


class Beside:
    """Calls of tests/contract/celery_beside.py, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def call(self, name: str, /, **arguments: object) -> Any:
        """What Celery says; typed values are as they stand in JSON.

        Raises:
            RuntimeError: Celery raised, or has ended.
        """
        return await asyncio.to_thread(self.says, name, **arguments)

    def says(self, name: str, /, **arguments: object) -> Any:
        """The same, while everything else waits."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"Celery's client ended with code {self._process.wait()} at {name}")
        answer = json.loads(line)
        if "raised" in answer:
            raise RuntimeError(f"{name}: {answer['raised']}")
        return answer["said"]


@contextmanager
def celery_beside(python: Path, redis_url: str) -> Iterator[Beside]:
    """Celery's client of that environment, for as long as the block runs."""
    env = {**os.environ, "REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}
    argv = (python, "-m", "tests.contract.celery_beside")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield Beside(process)
        finally:
            process.kill()  # it holds nothing that must be put down
