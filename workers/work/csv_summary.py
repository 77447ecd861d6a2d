"""Statistics for each column of a CSV table. Pure."""

import csv
import io
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NotRequired, TypedDict

from workers.errors import InvalidCsv
from workers.progress import Progress, Report

MAX_REPORTS = 10
MAX_COLUMNS = 256
TOP_LENGTH = 80  # characters kept of the most frequent text
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
LARGEST_NUMBER = 1e100  # beyond it squares and sums could overflow; such a column is read as text
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Column(TypedDict):
    """A ``number`` column has min to stdev, a ``text`` column has distinct to top_count; stdev needs two numbers."""

    name: str
    type: str
    count: int
    missing: int
    min: NotRequired[float]
    max: NotRequired[float]
    mean: NotRequired[float]
    median: NotRequired[float]
    stdev: NotRequired[float | None]
    distinct: NotRequired[int]
    top: NotRequired[str | None]
    top_count: NotRequired[int]


class Summary(TypedDict):
    """Columns are a list, in the table's order: a name may be any text, even a key that Celery's decoder obeys."""

    rows: int
    columns: list[Column]


def summarise(text: object, *, report: Report) -> Summary:
    """Read `text`, comma-separated with a header, and summarise its columns; report at most `MAX_REPORTS` times.

    Raises:
        InvalidCsv: no text, no header, or a row that does not fit the header.
    """
    header, rows = read_table(text, report=report)
    columns = [summarise_column(name, [row[index] for row in rows]) for index, name in enumerate(header)]
    return {"rows": len(rows), "columns": columns}


def read_table(text: object, *, report: Report) -> tuple[list[str], list[list[str]]]:
    """The header and the rows under it, all of the header's width. Blank lines are skipped. Raises InvalidCsv."""
    if not isinstance(text, str) or not text.strip("\ufeff \t\r\n"):
        raise InvalidCsv("The text is empty. Send a CSV table with a header line.")
    records = _records(text.removeprefix("\ufeff"), report=report)
    _, header = next(records)
    _check_header(header)
    rows = []
    for line, row in records:
        if len(row) != len(header):
            raise InvalidCsv(f"Line {line} has {len(row)} fields, the header has {len(header)}. Correct that line.")
        rows.append(row)
    return header, rows


def _records(text: str, *, report: Report) -> Iterator[tuple[int, list[str]]]:
    """Non-blank records with the number of the line each ends on."""
    total = sum(1 for _ in io.StringIO(text, newline=""))
    step = math.ceil(total / MAX_REPORTS)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    reported = 0
    try:
        for record in reader:
            if record:
                yield reader.line_num, record
            if reader.line_num == total or reader.line_num >= reported + step:
                reported = reader.line_num
                report(Progress(current=reported, total=total, message="lines read"))
    except csv.Error as error:
        raise InvalidCsv(f"Line {reader.line_num} cannot be read: {error}. Correct its quotes.") from error


def _check_header(header: Sequence[str]) -> None:
    repeated = [name for name, times in Counter(header).items() if times > 1]
    if len(header) > MAX_COLUMNS:
        raise InvalidCsv(f"The table has {len(header)} columns, at most {MAX_COLUMNS} are summarised.")
    if not all(name.strip() for name in header) or all(_number(name) is not None for name in header):
        raise InvalidCsv("The first line is not a header. Put a name for every column there.")
    if repeated:
        raise InvalidCsv(f"The header has {repeated[0]!r:.80} more than once. Give every column its own name.")


def summarise_column(name: str, cells: Sequence[str]) -> Column:
    """A column is numeric if every cell that is not missing is a number, and there is one."""
    present = [cell for cell in map(str.strip, cells) if cell.casefold() not in MISSING]
    column: Column = {"name": name, "type": "text", "count": len(present), "missing": len(cells) - len(present)}
    numbers = [number for number in map(_number, present) if number is not None]
    if numbers and len(numbers) == len(present):
        return _with_numbers(column, numbers)
    return _with_text(column, present)


def _number(cell: str) -> float | None:
    """Only plain decimal notation: `float` would also read ``inf`` and ``1_000``, and the result must stay JSON."""
    if not _NUMBER.fullmatch(cell):
        return None
    number = float(cell)
    return number if abs(number) <= LARGEST_NUMBER else None


def _with_numbers(column: Column, numbers: Sequence[float]) -> Column:
    # Two passes with an exact sum: as accurate as statistics.stdev here, without its cost in fractions.
    mean = math.fsum(numbers) / len(numbers)
    column["type"] = "number"
    column["min"], column["max"], column["mean"] = min(numbers), max(numbers), mean
    column["median"] = statistics.median(numbers)
    squares = math.fsum((number - mean) * (number - mean) for number in numbers)
    column["stdev"] = math.sqrt(squares / (len(numbers) - 1)) if len(numbers) > 1 else None
    return column


def _with_text(column: Column, texts: Sequence[str]) -> Column:
    frequencies = Counter(texts)
    top, times = frequencies.most_common(1)[0] if frequencies else (None, 0)
    column["distinct"] = len(frequencies)
    column["top"] = top if top is None else top[:TOP_LENGTH]
    column["top_count"] = times
    return column
