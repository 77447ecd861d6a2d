"""What the README and the other pages tell people to type works, as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.stack.embedded import server_url
from tests.acceptance.api import Api
from tests.acceptance.documents import PAGES, README, ROOT, blocks, commands, run_python, run_shell
from tests.acceptance.installation import Installation

on_the_loop_of_all = pytest.mark.asyncio(loop_scope="package")
PROJ = "tests.acceptance.proj:app"
DOCUMENTED_API, DOCUMENTED_REDIS = "localhost:8000", re.compile(r"redis://localhost:6379/(\d+)")
DOCUMENTED_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
KNOWN = ("python3 run.py ", "curl ", ".venv/bin/petiole ", "docker compose up")
"""Beginnings of commands; the other lines without a language are what they print."""
PRINTED = ("id: ", "event: ", "data: ")


def test_every_command_of_the_readme_is_known_here() -> None:
    lines = [line for block in blocks(README, "") for line in block.commands]
    assert [line for line in lines if line and not line.startswith(KNOWN + PRINTED)] == []
    assert all(commands(README, beginning) for beginning in KNOWN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_run_py_has_every_door_that_a_page_names(page: Path) -> None:
    program = [sys.executable, str(ROOT / "run.py"), "--help"]
    doors = subprocess.run(program, capture_output=True, text=True, check=True, timeout=30).stderr.splitlines()[0]
    named = set(re.findall(r"\brun\.py (\w+)", page.read_text(encoding="utf-8")))
    assert named <= set(re.findall(r"\w+", doors))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_program_that_a_page_tells_people_to_run_is_there(page: Path) -> None:
    named = {line.split()[1] for line in commands(page, "python3 ")}
    assert [name for name in named if not (ROOT / name).is_file()] == []


@on_the_loop_of_all
async def test_a_task_is_submitted_and_followed_with_curl_as_the_readme_says(api: Api) -> None:
    submit, follow = (
        command.replace(DOCUMENTED_API, api.http.base_url.netloc.decode()) for command in commands(README, "curl ")
    )

    accepted = json.loads(await run_shell(submit, {}))

    documented = json.loads(next(block.text for block in blocks(README, "json")))
    assert accepted.keys() == documented.keys()
    assert accepted["status"] == documented["status"]
    stream = await run_shell(DOCUMENTED_ID.sub(accepted["task_id"], follow), {})
    assert _names(stream)[-1] == "succeeded"
    shown = next(block.text for block in blocks(README, "") if block.text.startswith("id: "))
    assert set(_names(shown)) <= set(_names(stream))
    assert _shapes(shown) <= _shapes(stream)


def _names(stream: str) -> list[str]:
    return re.findall(r"^event: (\w+)$", stream, re.MULTILINE)


def _shapes(stream: str) -> set[tuple[str, ...]]:
    """The names in the data of each update."""
    return {tuple(json.loads(data)) for data in re.findall(r"^data: (.*)$", stream, re.MULTILINE)}


@on_the_loop_of_all
@pytest.mark.skipif(not (ROOT / ".venv/bin/petiole").exists(), reason="run.py has made no environment here")
async def test_the_petiole_command_of_the_readme_follows_a_task_to_its_end(api: Api) -> None:
    for command in commands(README, ".venv/bin/petiole "):
        printed = await run_shell(command, {"PETIOLE_API_URL": str(api.http.base_url)})
        assert "succeeded" in printed


@on_the_loop_of_all
@pytest.mark.parametrize(
    ("page", "printed"),
    [(README, ["5", "9900", "pong"]), (ROOT / "docs" / "from-celery.md", ["5"])],
    ids=["README", "from-celery"],
)
async def test_the_python_of_a_page_does_what_it_says(own: Installation, page: Path, printed: list[str]) -> None:
    (snippet, *others) = [block.text for block in blocks(page, "python")]
    assert others == [], "run these too"
    databases = DOCUMENTED_REDIS.findall(snippet)
    urls = [server_url(own.port).removesuffix("/0") + f"/{database}" for database in databases]
    told = {"PETIOLE_RESULT_BACKEND_URL": urls[-1]}
    async with own.running(own.watcher(**told), own.worker("celery,math", app=PROJ, **told)):
        served = DOCUMENTED_REDIS.sub(lambda match: urls[databases.index(match[1])], snippet)
        output = await run_python(served, {"PYTHONPATH": os.fspath(ROOT)})
    lines = output.splitlines()
    assert [text for text in printed if not any(text in line for line in lines)] == []
