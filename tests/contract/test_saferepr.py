"""Our text of arguments is, to the character, the one that the installed Celery puts in the headers."""

import re
from collections.abc import Hashable

import pytest
from celery import VERSION
from celery.utils.saferepr import saferepr as celery_saferepr
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.saferepr import saferepr

# Celery 5.7 closes a cut text properly; older ones lose or double a bracket where the cut meets one. We follow 5.7.
CLOSES_WHAT_IT_OPENS = VERSION >= (5, 7)

texts = st.text() | st.text("ab '\"\\\n\u200bé😀", max_size=80)
numbers = st.booleans() | st.integers() | st.floats() | st.decimals(allow_nan=False) | st.fractions()
leaves = st.none() | texts | st.binary(max_size=80) | numbers | st.datetimes() | st.dates() | st.uuids()
keys = st.recursive(leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)

# Without brackets of their own, so that those in a text are its structure. (An empty set is a leaf, "set()".)
brackets = re.compile(r"[][(){}]")
mild_texts = texts.filter(lambda text: not brackets.search(text))
mild_octets = st.binary(max_size=80).filter(lambda octets: not brackets.search(octets.decode("latin-1")))
mild_leaves = st.none() | mild_texts | mild_octets | st.booleans() | st.integers() | st.floats()
mild_keys = mild_leaves | st.tuples(mild_leaves, mild_leaves)


def nested(leaves: st.SearchStrategy[object], keys: st.SearchStrategy[Hashable]) -> st.SearchStrategy[object]:
    def one_level_more(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        lists = st.lists(inner, max_size=5)
        return (
            lists | lists.map(tuple) | st.dictionaries(keys, inner, max_size=5) | st.sets(keys, min_size=1, max_size=4)
        )

    return st.recursive(leaves, one_level_more, max_leaves=20)


def is_balanced(text: str) -> bool:
    """Whether each bracket is closed, and no ``[...]`` was itself cut."""
    expected: list[str] = []
    for bracket in brackets.findall(text):
        if bracket in "[({":
            expected.append("])}"["[({".index(bracket)])
        elif not expected or expected.pop() != bracket:
            return False
    return not expected and not re.search(r"\.\.\.,?[])}]\.\.\.", text)


@given(nested(leaves | st.builds(set), keys), st.integers(1, 5))
def test_a_value_that_is_shown_whole_reads_as_celery_shows_it(value: object, max_levels: int) -> None:
    shown = saferepr(value, max_length=1_000_000, max_levels=max_levels)

    assert shown == celery_saferepr(value, 1_000_000, max_levels)


@given(nested(mild_leaves, mild_keys), st.integers(1, 150))
def test_a_value_that_is_cut_reads_as_celery_shows_it(value: object, max_length: int) -> None:
    theirs = celery_saferepr(value, max_length)

    if CLOSES_WHAT_IT_OPENS or is_balanced(theirs):
        assert saferepr(value, max_length=max_length) == theirs


@given(nested(mild_leaves, mild_keys), st.integers(1, 150))
def test_a_cut_text_closes_what_it_opened(value: object, max_length: int) -> None:
    assert is_balanced(saferepr(value, max_length=max_length))


@given(st.lists(texts | st.binary(), min_size=1, max_size=3), st.integers(1, 600))
def test_long_texts_are_cut_at_the_same_character(texts_and_octets: list[str | bytes], repeat: int) -> None:
    value = [leaf * repeat for leaf in texts_and_octets]
    theirs = celery_saferepr(value, 1024)

    if CLOSES_WHAT_IT_OPENS or len(theirs) < 1024:
        assert saferepr(value) == theirs
    assert saferepr(value).startswith(theirs[:1024])


@pytest.mark.parametrize(
    ("value", "max_length", "before_5_7", "since_5_7"),
    [
        (["abcdef"], 4, "['abc...', ...", "['abc...']"),
        ({"key": "value"}, 9, "{'key': 'v...', ...", "{'key': 'v...'}"),
        (["a", [1]], 6, "['a', , ...]]", "['a', , ...]"),
        ([[[[1]]]], 6, "[[[[....., ...]]", "[[[[...]]]]"),
        ([[[[1]]], 2], 8, "[[[[...]..., ...]]", "[[[[...]]], ...]"),
    ],
)
def test_where_celery_5_7_mended_a_bracket_we_have_its_text(
    value: object, max_length: int, before_5_7: str, since_5_7: str
) -> None:
    assert saferepr(value, max_length=max_length) == since_5_7
    assert celery_saferepr(value, max_length) == (since_5_7 if CLOSES_WHAT_IT_OPENS else before_5_7)
