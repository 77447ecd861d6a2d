"""The pages for people, as tests read them: their code blocks, and how to run those."""

import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.programs import run

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s{2,}#.*$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of code; what has no language is commands, or what they print."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines, without comments."""
        return [_COMMENT.sub("", line) for line in self.text.splitlines()]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, in order; those of one language if that is given."""
    found = (Block(**match.groupdict()) for match in _BLOCK.finditer(page.read_text(encoding="utf-8")))
    return [block for block in found if language in (None, block.language)]


def commands(page: Path, beginning: str) -> list[str]:
    """The commands of a page that begin so."""
    lines = (line for block in blocks(page, "") for line in block.commands)
    return [line for line in lines if line.startswith(beginning)]


async def run_shell(command: str, environment: Mapping[str, str]) -> str:
    """What a command prints, run from the top of the repository. It must end well."""
    return await _run("sh", "-c", command, environment=environment)


async def run_python(snippet: str, environment: Mapping[str, str]) -> str:
    """What a snippet prints that may await, as in ``python -m asyncio``. It must end well."""
    program = f"import asyncio\nasync def main():\n{textwrap.indent(snippet, '    ')}\nasyncio.run(main())\n"
    return await _run(sys.executable, "-c", program, environment=environment)


async def _run(*argv: str, environment: Mapping[str, str]) -> str:
    ended = await run(*argv, environment=environment)
    assert ended.code == 0, ended.errors
    return ended.output
