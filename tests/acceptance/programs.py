"""Programs that end by themselves."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.acceptance.waiting import DEADLINE
from tests.servers import ROOT


class Ended(NamedTuple):
    """How a program ended, and what it printed."""

    code: int | None
    output: str
    errors: str


async def run(
    *argv: str, environment: Mapping[str, str] | None = None, directory: Path = ROOT, within: float = DEADLINE
) -> Ended:
    """Run a program to its end, with `environment` beside our own.

    Raises:
        TimeoutError: it had not ended within that many seconds, and was killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode, output.decode(), errors.decode())
