import io
import json

from rich.console import Console

from app.cli.following.views import view_for
from tests.unit.app.cli.following.test_updates import update


def shown(*, terminal: bool = False, as_json: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)
    with view_for(console, as_json=as_json) as view:
        view.show("[bold]my task", update("running", "1", progress={"current": 1, "total": 4, "message": "[red]one"}))
        view.show("[bold]my task", update("failed", "2", final=True, error={"type": "ValueError", "message": "no"}))
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # it is the StringIO above


def test_without_a_terminal_every_update_is_one_plain_line_and_no_markup_is_read_in_it() -> None:
    assert shown().splitlines() == [
        "[bold]my task  #1  running     attempt 1  1/4  [red]one",
        "[bold]my task  #2  failed      attempt 1    ValueError: no",
    ]


def test_for_programs_every_update_is_the_json_of_the_stream_with_its_name() -> None:
    first, second = map(json.loads, shown(as_json=True).splitlines())
    assert (first["event"], first["progress"]["total"]) == ("running", 4)
    assert second["error"] == {"type": "ValueError", "message": "no"}


def test_on_a_terminal_a_task_has_one_bar_with_its_status_and_last_remark() -> None:
    last = shown(terminal=True).rpartition("[bold]my task")[2]
    assert "failed" in last
    assert "ValueError: no" in last
