"""What the command prints: tables, and the lines of several processes told apart. Text from outside is never markup."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {"redis": "red", "api": "cyan", "watcher": "magenta", "worker": "green", "flower": "yellow"}
PLAIN_WIDTH = 120
"""Where nobody's terminal says how wide it is."""
NAME_WIDTH = max(map(len, COLOURS))


class Terminal:
    """One console, for people. Where output is not a terminal, the same lines come without colour and movement."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH

    def say(self, line: str, style: str = "") -> None:
        """Print a line of our own."""
        self.console.print(Text(line, style=style), soft_wrap=True)

    def ready(self, name: str) -> None:
        """Print that a service is ready."""
        self.say(f"  {name} is ready", style="dim")

    def process_line(self, name: str, line: str) -> None:
        """The sink for children: their line behind their name."""
        text = Text.assemble((f"{name:<{NAME_WIDTH}} │ ", COLOURS.get(name, "white")), Text.from_ansi(line))
        self.console.print(text, soft_wrap=True)

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """Print a table."""
        table = Table(*columns)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    def addresses(self, named: Mapping[str, str]) -> None:
        """Print where things answer, one a line, so that they can be copied and clicked."""
        width = max(map(len, named))
        for name, address in named.items():
            self.say(f"  {name:<{width}}  {address}")
