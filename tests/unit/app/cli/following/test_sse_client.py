from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.errors import UnexpectedAnswer
from app.cli.following.sse_client import EventParser, ServerSentEvent

STREAM = (
    "retry: 2000\n\n"
    "id: 4\nevent: progress\ndata: {\"seq\":4,\"message\":\"größer\"}\n\n"
    ": keep-alive\n\n"
    "id: 5\nevent: succeeded\ndata: {\"seq\":5}\n\n"
)  # fmt: skip
EVENTS = [
    ServerSentEvent(id="4", event="progress", data='{"seq":4,"message":"größer"}'),
    ServerSentEvent(id="5", event="succeeded", data='{"seq":5}'),
]


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_every_line_end_of_the_standard_makes_the_same_events(line_end: str) -> None:
    assert parse(STREAM.replace("\n", line_end).encode()) == EVENTS


@given(
    cuts=st.lists(st.integers(0, len(STREAM.encode()) + 8), max_size=30), line_end=st.sampled_from(["\n", "\r", "\r\n"])
)
def test_it_does_not_matter_where_a_stream_is_cut_into_pieces(cuts: list[int], line_end: str) -> None:
    stream = STREAM.replace("\n", line_end).encode()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    assert parse(*(stream[start:end] for start, end in pairwise(edges))) == EVENTS


def test_an_event_is_told_as_soon_as_its_blank_line_is_there_even_when_that_ends_with_a_bare_cr() -> None:
    assert parse(b"data: now\r\r") == [ServerSentEvent(id=None, event="message", data="now")]


def test_several_data_lines_are_one_text_with_line_breaks() -> None:
    assert parse(b"data: a\ndata:\ndata:  b\n\n")[0].data == "a\n\n b"


def test_an_event_without_data_is_none_but_moves_the_cursor() -> None:
    parser = EventParser()
    assert parser.feed(b"id: 7\nevent: closing\n\n") == []
    assert parser.last_event_id == "7"


def test_an_event_without_an_id_has_none_although_the_cursor_stays() -> None:
    parser = EventParser()
    events = parser.feed(b"id: 1\ndata: a\n\nevent: reset\ndata: b\n\n")
    assert [event.id for event in events] == ["1", None]
    assert parser.last_event_id == "1"


def test_what_has_not_ended_with_a_blank_line_is_no_event() -> None:
    assert parse(b"id: 1\ndata: half\n") == []


def test_comments_and_unknown_fields_are_skipped() -> None:
    assert parse(b": hello\nfoo: bar\ndata\n\n") == [ServerSentEvent(id=None, event="message", data="")]


def test_an_id_with_a_null_byte_is_ignored_as_the_standard_says() -> None:
    assert parse(b"id: 1\x002\ndata: a\n\n")[0].id is None


def test_a_byte_order_mark_is_dropped_at_the_very_beginning_only() -> None:
    events = parse(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n")
    assert [event.data for event in events] == ["a"]


@pytest.mark.parametrize(("told", "kept"), [(b"1500", 1500), (b"1.5", None), (b"-1", None), (b"9" * 5_000, None)])
def test_the_time_to_wait_is_taken_when_it_is_a_sensible_number(told: bytes, kept: int | None) -> None:
    parser = EventParser()
    parser.feed(b"retry: " + told + b"\n\n")
    assert parser.retry_ms == kept


@pytest.mark.parametrize("piece", [b"x" * 10, b"data: " + b"x" * 10 + b"\n"])
def test_a_stream_that_never_ends_an_event_is_refused_before_memory_runs_out(piece: bytes) -> None:
    parser = EventParser(limit=100)
    for _ in range(10):
        assert parser.feed(piece) == []
    with pytest.raises(UnexpectedAnswer, match="larger than 100 bytes"):
        parser.feed(piece)
