"""YAML is read in a time that can be told, whatever it is."""

from typing import Any

import pytest

from bridge.errors import InvalidMessage, UnreadableBytes
from bridge.protocol.bounded_yaml import DEEPEST, MOST_BYTES, MOST_VALUES, TooMuchYaml, bounded_load
from bridge.protocol.serializers import Serializers, dumps_checked

yaml = pytest.importorskip("yaml")
ONE = ["x", {"y": 5}]


@pytest.fixture(scope="module")
def load() -> Any:
    return bounded_load(yaml)


@pytest.mark.parametrize(
    "value",
    [
        {"result": [ONE, ONE, ONE], "again": ONE},
        list(range(MOST_VALUES - 1)),
        "x" * (MOST_BYTES - 100),
        {"a": b"\xff" * 100_000},
    ],
    ids=["the same more than once", "as many values as may be", "a long text", "many bytes"],
)
def test_what_workers_write_is_read_aliases_and_all(load: Any, value: object) -> None:
    assert load(yaml.safe_dump(value).encode()) == value


def bomb(levels: int) -> bytes:
    """A few bytes that stand for ten to the power of so many values."""
    lists = [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [x,x,x,x,x,x,x,x,x,x]", *lists]).encode()


TOO_MUCH = {
    "many bytes": (b"a: 1\n" + b"#" * MOST_BYTES, "262,149 bytes"),
    "many values": (b"a: [" + b"1," * MOST_VALUES + b"]", "more than 20,000 values"),
    "many values in a few bytes": (bomb(8), "more than 20,000 values"),
    "a long text many times": (b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a," * 100 + b"]", "more than 20,000"),
    "merged many times": (b"a: &a {b: 1}\nc: {" + b"<<: *a," * MOST_VALUES + b"}", "more than 20,000"),
    "nested deep": (b"a: " + b"[" * (DEEPEST + 1), "nested more than 100 deep"),
    "a number to the base of 60": (b"a: 1" + b":1" * 100_000, "that is no text"),
}


@pytest.mark.parametrize(("data", "sentence"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_would_take_too_long_is_refused_by_a_sentence(load: Any, data: bytes, sentence: str) -> None:
    with pytest.raises(TooMuchYaml, match=f"it is YAML .*{sentence}.*Use JSON"):
        load(data)
    with pytest.raises(UnreadableBytes, match=sentence):
        Serializers().loads_any(data)
    with pytest.raises(UnreadableBytes, match=sentence):
        Serializers().loads(data, "application/x-yaml")


def test_what_could_not_be_read_again_here_is_not_sent() -> None:
    with pytest.raises(InvalidMessage, match="yaml cannot write these arguments: it is YAML of"):
        dumps_checked((["x" * MOST_BYTES], {}, {}), Serializers().named("yaml"))


def test_what_has_itself_in_it_is_unreadable() -> None:
    with pytest.raises(UnreadableBytes):
        Serializers().loads_any(b"a: &a [*a, *a]")
