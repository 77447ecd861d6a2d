"""Shows updates as they come: bars on a terminal, lines elsewhere, JSON for programs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from app.cli.following.updates import EXIT_CODES, Update, shortened

BAR_WIDTH = 20
MAX_REMARK = 60


class View(Protocol):
    """Takes the updates of one or more tasks; `label` says whose they are."""

    def show(self, label: str, update: Update) -> None:
        """Show one update."""


@contextmanager
def view_for(console: Console, *, as_json: bool = False) -> Iterator[View]:
    """The view that fits where the output goes."""
    if as_json:
        yield JsonView(console)
    elif console.is_terminal:
        with Bars(console) as bars:
            yield bars
    else:
        yield Lines(console)


class JsonView:
    """One JSON object a line, as the stream sent it, with the event's name as `event`."""

    def __init__(self, console: Console) -> None:
        self._file = console.file

    def show(self, label: str, update: Update) -> None:
        """Print the whole update; the label is in its task_id."""
        print(json.dumps({"event": update.name, **update.content}), file=self._file, flush=True)


class Lines:
    """One line for each update, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, label: str, update: Update) -> None:
        """Print the update."""
        parts = (label, f"#{update.seq or '-'}", f"{update.name:<10}", f"attempt {update.attempt}", _amount(update))
        text = "  ".join((*parts, update.remark)).rstrip()
        self._console.print(Text(text), soft_wrap=True)


class Bars:
    """A bar for each task, with its status, the number of its attempt, and its last remark."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn(
                "{task.fields[status]}, attempt {task.fields[attempt]}", markup=False, table_column=Column(no_wrap=True)
            ),
            # The last one takes the room that is left, so that a narrow terminal cuts the remark and nothing else.
            TextColumn("{task.fields[remark]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            console=console,
            expand=True,
        )
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def show(self, label: str, update: Update) -> None:
        """Move the bar. A task that never told its progress has a bar that only knows begun and done."""
        if not update.status:  # it is about the connection
            return
        row = self._row(label)
        current, total, _ = update.progress or (None, None, "")
        self._progress.update(
            row,
            completed=current,
            total=total,
            status=update.status,
            attempt=update.attempt,
            remark=shortened(update.remark, MAX_REMARK),
        )
        if update.final:
            self._end(row, succeeded=EXIT_CODES.get(update.status) == 0)

    def _row(self, label: str) -> TaskID:
        if label not in self._rows:
            self._rows[label] = self._progress.add_task(label, total=None, status="", attempt=1, remark="")
        return self._rows[label]

    def _end(self, row: TaskID, *, succeeded: bool) -> None:
        total = self._progress.tasks[row].total or 1
        completed = total if succeeded else self._progress.tasks[row].completed
        self._progress.update(row, total=total, completed=completed)
        self._progress.stop_task(row)


def _amount(update: Update) -> str:
    return f"{update.progress[0]:g}/{update.progress[1]:g}" if update.progress else ""
