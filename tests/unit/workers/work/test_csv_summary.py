"""Column statistics that are right, JSON-safe, and clear about bad tables."""

import contextlib
import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import InvalidCsv
from workers.progress import Progress
from workers.work.csv_summary import MAX_COLUMNS, MAX_REPORTS, TOP_LENGTH, Column, Summary, summarise

PENGUINS = Path(__file__).parents[4] / "data" / "penguins_raw.csv"


def _summarise(text: object, reports: list[Progress] | None = None) -> Summary:
    kept: list[Progress] = [] if reports is None else reports
    return summarise(text, report=kept.append)


def _column(summary: Summary, name: str) -> Column:
    return next(column for column in summary["columns"] if column["name"] == name)


def test_numbers_are_summarised_by_range_mean_median_and_spread() -> None:
    assert _summarise("size\n1\n2\n4\nNA\n") == {
        "rows": 4,
        "columns": [
            {
                "name": "size",
                "type": "number",
                "count": 3,
                "missing": 1,
                "min": 1.0,
                "max": 4.0,
                "mean": pytest.approx(7 / 3),
                "median": 2.0,
                "stdev": pytest.approx(statistics.stdev([1, 2, 4])),
            }
        ],
    }


def test_texts_are_summarised_by_the_most_frequent_one() -> None:
    assert _summarise("who,n\nb,1\na,1\nb,1\n,1\n")["columns"][0] == {
        "name": "who",
        "type": "text",
        "count": 3,
        "missing": 1,
        "distinct": 2,
        "top": "b",
        "top_count": 2,
    }


def test_the_penguins_are_summarised_as_published() -> None:
    summary = _summarise(PENGUINS.read_text(encoding="utf-8"))
    mass = _column(summary, "Body Mass (g)")
    species = _column(summary, "Species")
    assert (summary["rows"], len(summary["columns"])) == (344, 17)
    assert (mass["count"], mass["missing"], mass["min"], mass["max"]) == (342, 2, 2700.0, 6300.0)
    assert mass["mean"] == pytest.approx(4201.754, abs=0.001)
    assert mass["stdev"] == pytest.approx(801.9545, abs=0.001)
    assert (species["distinct"], species["top_count"]) == (3, 152)


def test_one_number_has_no_spread() -> None:
    assert _summarise("n\n5\n")["columns"][0]["stdev"] is None


def test_a_column_without_values_is_text_without_a_top() -> None:
    column = _summarise("a,b\nNA,1\n,2\n")["columns"][0]
    assert (column["type"], column["missing"], column["distinct"], column["top"]) == ("text", 2, 0, None)


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1_000", "1e400", "0x10", "1,5", "٣"])
def test_what_is_no_plain_number_makes_a_column_text(cell: str) -> None:
    assert _summarise(f'n,m\n1,1\n"{cell}",1\n')["columns"][0]["type"] == "text"


def test_huge_numbers_do_not_overflow() -> None:
    column = _summarise("n\n1e100\n-1e100\n1e100\n")["columns"][0]
    assert column["stdev"] == pytest.approx(statistics.stdev([1e100, -1e100, 1e100]))


def test_a_long_text_is_cut_in_the_result() -> None:
    top = _summarise(f"a,b\n{'x' * 1000},1\n")["columns"][0]["top"]
    assert top == "x" * TOP_LENGTH


@pytest.mark.parametrize("text", ["a,b\n1,2", "\ufeffa,b\r\n1,2\r\n", "a,b\n\n1,2\n\n", 'a,b\n"1",2\n', "a,b\r1,2\r"])
def test_byte_order_mark_line_ends_blank_lines_and_quotes_are_all_read(text: str) -> None:
    summary = _summarise(text)
    assert summary["rows"] == 1
    assert [(column["name"], column["type"]) for column in summary["columns"]] == [("a", "number"), ("b", "number")]


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ufeff", None, 7, ["a,b"]])
def test_no_text_is_refused(text: object) -> None:
    with pytest.raises(InvalidCsv, match="The text is empty"):
        _summarise(text)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "a,,c\n1,2,3\n", "3\n"])
def test_a_table_without_a_header_is_refused(text: str) -> None:
    with pytest.raises(InvalidCsv, match="The first line is not a header"):
        _summarise(text)


def test_a_row_of_another_width_is_refused_by_its_line_number() -> None:
    with pytest.raises(InvalidCsv, match="Line 4 has 3 fields, the header has 2"):
        _summarise('a,b\n"two\nlines",2\n1,2,3\n')


def test_a_quote_that_never_closes_is_refused_by_its_line_number() -> None:
    with pytest.raises(InvalidCsv, match="Line 3 cannot be read"):
        _summarise('a,b\n1,2\n"3,4\n')


def test_a_name_that_two_columns_share_is_refused() -> None:
    with pytest.raises(InvalidCsv, match="'a' more than once"):
        _summarise("a,b,a\n1,2,3\n")


def test_a_table_wider_than_the_limit_is_refused() -> None:
    with pytest.raises(InvalidCsv, match=f"at most {MAX_COLUMNS}"):
        _summarise(",".join(f"c{index}" for index in range(MAX_COLUMNS + 1)))


@given(lines=st.integers(1, 500))
def test_the_number_of_reports_is_bounded_whatever_the_size(lines: int) -> None:
    reports: list[Progress] = []
    _summarise("name\n" + "x\n" * (lines - 1), reports)
    assert 1 <= len(reports) <= MAX_REPORTS
    assert [report.current for report in reports] == sorted({report.current for report in reports})
    assert (reports[-1].current, reports[-1].total) == (lines, lines)


@given(text=st.text(alphabet=',"\r\n\ufeff\x00 a1.eE+-_;', max_size=60))
def test_any_text_gives_strict_json_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(InvalidCsv):
        json.dumps(_summarise(text), allow_nan=False)
