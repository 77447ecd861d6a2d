"""The text of arguments. Expected texts were read off Celery 5.7; tests/contract compares with the one installed."""

import enum
import re
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from bridge.protocol.saferepr import saferepr

Point = namedtuple("Point", "x y")


class Level(enum.IntEnum):
    HIGH = 9


class Tags(set[str]):
    pass


class Secret:
    def __repr__(self) -> str:
        raise LookupError("no text today")


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        (),
        (1,),
        [1, -2, 2.5, True, None],
        {"data": "sample payload"},
        {"user": {"id": 7, "tags": ["a", "b"]}, 3: (1, 2)},
        'say "hi"',
        "naïve, 中文, 😀",
        10**30,
        float("inf"),
        datetime(2026, 11, 24, tzinfo=UTC),
        Decimal("1.50"),
        UUID(int=7),
        {1},
        set(),
        frozenset(),
        frozenset({1}),
        range(3),
    ],
    ids=repr,
)
def test_a_short_and_shallow_value_reads_as_python_shows_it(value: object) -> None:
    assert saferepr(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("it's", r"'it\'s'"),
        ("a\nb", "'a\nb'"),
        ("a\\b", "'a\\b'"),
        ("a\u200bb", "'a\u200bb'"),
        (b"caf\xc3\xa9 'x'", "b'café 'x''"),
        (b"\xff\x00", "b'ff00'"),
        (Fraction(1, 3), "1/3"),
        (Level.HIGH, "9"),
        (Point(1, 2), "(1, 2)"),
        (OrderedDict(a=1), "{'a': 1}"),
        (Tags(["a"]), "Tags({'a'})"),
        (Tags(), "Tags()"),
        (["it's", {b"k": {Level.HIGH: ()}}], r"['it\'s', {b'k': {9: (...)}}]"),
    ],
    ids=repr,
)
def test_where_celery_differs_from_python_celery_is_followed(value: object, shown: str) -> None:
    assert saferepr(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([[[1]]], "[[[1]]]"),
        ([[[[]]]], "[[[[...]]]]"),
        ({"a": {"b": {"c": {"d": 1}}}}, "{'a': {'b': {'c': {...}}}}"),
        ([[[(1,)]]], "[[[(...,)]]]"),
        ([[[{1}]]], "[[[{...}]]]"),
        ([[[frozenset([1])]]], "[[[frozenset({...})]]]"),
        ([[[set()]]], "[[[set()]]]"),
    ],
    ids=repr,
)
def test_the_fourth_level_of_nesting_is_left_out(value: object, shown: str) -> None:
    assert saferepr(value) == shown


def test_a_key_counts_its_levels_on_its_own() -> None:
    assert saferepr([[{((1,),): 1}]]) == "[[{((1,),): 1}]]"
    assert saferepr({(((1,),),): 1}, max_levels=2) == "{(((...,),),): 1}"


def test_a_list_that_holds_itself_ends() -> None:
    loop: list[object] = [1]
    loop.append(loop)

    assert saferepr(loop) == f"[1, <Recursion on list with id={id(loop)}>]"
    assert saferepr(loop, max_length=12) == "[1, <Recursi...]"


def test_a_list_that_stands_twice_side_by_side_is_no_recursion() -> None:
    twice = [{1}]

    assert saferepr([twice, twice]) == "[[{1}], [{1}]]"


@pytest.mark.parametrize(
    ("value", "max_length", "shown"),
    [
        ("abcdef", 7, "'abcdef'"),
        ("abcdef", 6, "'abcdef...'"),
        ("one two three", 9, "'one two...'"),
        (b"abcdef", 6, "b'abcdef'"),
        (b"abcdef", 5, "b'abcde...'"),
        (b"caf\xc3\xa9", 4, "b'636166c3...'"),
        (["abcdef", "x"], 8, "['abcdef', ...]"),
        (["abcdef"], 4, "['abc...']"),
        (["abc", [1]], 8, "['abc', , ...]"),
        ([[1], [2]], 4, "[[1], ...]"),
        ([[[[1]]]], 3, "[[[, ...]]]"),
        ([[[[1]]]], 4, "[[[[...]]]]"),
        ({"key": "value"}, 4, "{'key...', ...}"),
        ({"key": "value"}, 8, "{'key': , ...}"),
        ({"a": 1, "b": 2}, 7, "{'a': 1..., ...}"),
        ({"a": 1, "b": 2}, 9, "{'a': 1, , ...}"),
        (12345, 3, "123..."),
        (set(), 3, "set..."),
    ],
    ids=repr,
)
def test_a_text_that_grows_too_long_is_cut_and_its_brackets_are_closed(
    value: object, max_length: int, shown: str
) -> None:
    assert saferepr(value, max_length=max_length) == shown


@pytest.mark.parametrize(
    "make",
    [
        lambda: ["x" * 1_000_000],
        lambda: {"text": "it's " * 200_000},
        lambda: [b"\xff" * 1_000_000],
        lambda: {f"key-{n}": n for n in range(100_000)},
        lambda: [["a"] * 50] * 10_000,
        lambda: [10**4_000] * 100,
    ],
    ids=["string", "quotes", "bytes", "entries", "lists", "digits"],
)
def test_however_large_a_value_its_text_stays_short(make: Callable[[], object]) -> None:
    assert len(saferepr(make())) < 1024 * 2 + 100


def test_a_value_that_cannot_show_itself_is_named_without_the_stack() -> None:
    shown = saferepr([Secret(), 1])

    assert re.fullmatch(
        r"\[<Unrepresentable <class '.*\.Secret'>0x[0-9a-f]+: LookupError\('no text today'\)>, 1\]", shown
    )


def test_a_number_too_long_for_python_to_print_does_not_break_the_submit() -> None:
    assert saferepr([10**10_000], max_length=20).startswith("[<Unrepresentable...")
