"""What a client prefers, read off its headers."""

import pytest

from app.preferences import Wish, preferred_wait, prefers_stream, takes_stream, wish

STREAM, JSON = "text/event-stream", "application/json"


@pytest.mark.parametrize(
    ("accept", "submits", "reads"),
    [
        ("", False, True),
        ("*/*", False, True),
        ("text/html", False, True),
        (JSON, False, False),
        (STREAM, True, True),
        ("Text/Event-Stream", True, True),
        (f"{STREAM};charset=utf-8", True, True),
        ("text/*", True, True),
        (f"{JSON}, {STREAM}", False, True),
        (f"{JSON}, {STREAM};q=0.1", False, False),
        (f"{JSON};q=0.1,{STREAM} ; Q=0.2", True, True),
        (f"{STREAM}, */*", True, True),
        (f"{JSON}, */*", False, False),
        (f"{STREAM};q=0", False, False),
        (f"{STREAM};q=0.000, */*", False, False),
        (f"{JSON};q=0, */*;q=0.1", True, True),
        (f'{JSON};q=0.5, text/plain;x="a, {STREAM}"', False, False),
        (f"{STREAM};q=much, {JSON};q=0.9", True, True),
        (f"{STREAM};q=0.5, {JSON};q=1.5", False, False),
        (f"{STREAM};q=nan, {JSON};q=-1", False, True),
        ('"' * 50, False, True),
    ],
)
def test_a_stream_is_weighed_against_json(accept: str, submits: bool, reads: bool) -> None:
    assert prefers_stream(accept, by_default=False) is submits
    assert prefers_stream(accept, by_default=True) is reads


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ('Wait = "7"; x', 7),
        ("wait=0", 0),
        ("wait=007", 7),
        ("wait=x", None),
        ("wait=", None),
        ("wait=5x", None),
        ("await=3", None),
        ("", None),
    ],
)
def test_the_wait_that_a_client_prefers_is_read(prefer: str, seconds: int | None) -> None:
    assert preferred_wait(prefer) == seconds


@pytest.mark.parametrize("digits", [7, 20, 60_000])
def test_a_wait_may_have_any_number_of_digits(digits: int) -> None:
    assert (preferred_wait("wait=" + "1" * digits) or 0) >= 1_111_111


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], None),
        ([("accept", "*/*"), ("host", "a")], None),
        ([("accept", JSON)], None),
        ([("prefer", "respond-async")], None),
        ([("prefer", "respond-async"), ("prefer", "wait=4")], Wish(False, 4)),
        ([("accept", STREAM)], Wish(True, None)),
        ([("accept", "*/*"), ("accept", STREAM), ("prefer", "wait=4")], Wish(True, None)),
        ([("accept", f"{STREAM};q=0.1"), ("accept", JSON)], None),
    ],
)
def test_what_a_submit_asks_for_is_read_off_all_its_headers(headers: list[tuple[str, str]], said: Wish | None) -> None:
    assert wish([(name.encode(), value.encode()) for name, value in headers]) == said


def test_what_a_stream_is_read_as_is_told_by_all_its_headers() -> None:
    assert takes_stream([])
    assert not takes_stream([(b"accept", f"{STREAM};q=0.5".encode()), (b"accept", JSON.encode())])
