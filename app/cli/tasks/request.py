"""What the options of `petiole submit` ask of the API. Pure but for the reading of the file."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.cli.errors import UsageProblem

STANDARD_INPUT = "-"


def task_request(task: str, args: str, kwargs: str, text: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /v1/tasks. `text` becomes the first positional argument; options without a value are left out.

    Raises:
        UsageProblem: `args` is no JSON array, or `kwargs` no JSON object.
    """
    positional = _parse("--args", args, list, "array, for example '[1, \"two\"]'")
    named = _parse("--kwargs", kwargs, dict, "object, for example '{\"name\": 1}'")
    return {
        "task": task,
        "args": positional if text is None else [text, *positional],
        "kwargs": named,
        "options": {name: value for name, value in options.items() if value not in (None, [])},
    }


def read_text(path: str) -> str:
    """The text of a file, or of standard input for "-".

    Raises:
        UsageProblem: it cannot be read, or is no UTF-8 text.
    """
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
        return content.decode()
    except OSError as error:
        raise UsageProblem(f"--file {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"--file {path}: this is no UTF-8 text, and a task's arguments are JSON.") from error


def _parse(option: str, given: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(given)
    except ValueError as error:
        raise UsageProblem(f"{option} must be a JSON {what}: {error}.") from error
    if not isinstance(value, kind):
        raise UsageProblem(f"{option} must be a JSON {what}.")
    return value
