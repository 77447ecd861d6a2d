"""The table in docs/settings.md, made from the code. ``python -m tests.architecture.settings_table`` rewrites it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from app.settings import Settings
from workers.settings import WorkerSettings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN = "<!-- settings: begin. Written by python -m tests.architecture.settings_table -->"
END = "<!-- settings: end -->"

# Where two read the same variable, the first explains it.
READERS: tuple[type[BaseSettings], ...] = (Settings, WorkerSettings)


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Environment variable and field, for every setting of every reader."""
    for settings in READERS:
        for name, field in settings.model_fields.items():
            yield f"{settings.model_config['env_prefix']}{name}".upper(), field


def table() -> str:
    """All settings as a Markdown table, one line for each variable."""
    explained: dict[str, FieldInfo] = {}
    for variable, field in fields():
        explained.setdefault(variable, field)
    lines = [_line(variable, field) for variable, field in explained.items()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *lines])


def written(page: str) -> str:
    """The table that stands in the page."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


def rewritten(page: str) -> str:
    """The page with the table of today.

    Raises:
        ValueError: the page has not both marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} needs the lines {BEGIN} and {END}; the table goes between them.")
    return f"{before}{begin}\n{table()}\n{end}{after}"


def _line(variable: str, field: FieldInfo) -> str:
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{variable}` | {_default(field.default)} | {meaning} |"


def _default(value: object) -> str:
    if value == "":
        return "not set"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
