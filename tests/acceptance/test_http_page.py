"""The `curl` lines of docs/http.md, run from its beginning to its end."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.acceptance.api import Api
from tests.acceptance.documents import ROOT, blocks, run_shell
from tests.acceptance.test_readme import DOCUMENTED_API, DOCUMENTED_ID

pytestmark = pytest.mark.asyncio(loop_scope="package")
PAGE = ROOT / "docs" / "http.md"
ROUTE = re.compile(r"localhost:8000(/[^ '?]*)")


async def test_every_curl_line_is_answered_well(api: Api, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("fail\nshow-error\n")  # an answer of 400 or more is an error
    task_id = ""
    for line in _lines():
        command = DOCUMENTED_ID.sub(task_id, line).replace(DOCUMENTED_API, api.http.base_url.netloc.decode())
        printed = await run_shell(command, {"CURL_HOME": os.fspath(tmp_path)})
        task_id = _id_in(printed) or task_id
        assert printed, line


async def test_there_is_a_curl_line_for_every_operation(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    shown = {(_method(line), DOCUMENTED_ID.sub("ID", found[1])) for line in _lines() if (found := ROUTE.search(line))}
    patterns = {
        (method, path): re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path))
        for path, operations in document["paths"].items()
        for method in operations
        if not re.match(r"/v1/task-types/[^{]+/tasks", path)  # of each task that is announced now
    }
    missing = [
        operation
        for operation, pattern in patterns.items()
        if not any(method == operation[0] and pattern.fullmatch(path) for method, path in shown)
    ]
    assert missing == []


def _lines() -> list[str]:
    return [line for block in blocks(PAGE, "") for line in block.text.splitlines()]


def _method(line: str) -> str:
    return "post" if " -d " in line or " -X POST " in line or "--data" in line else "get"


def _id_in(printed: str) -> str | None:
    """The id of a task that was submitted; None when the answer is not about one task."""
    try:
        answer = json.loads(printed)
    except ValueError:  # a stream
        return None
    found = answer.get("task_id")
    return str(found) if found else None
